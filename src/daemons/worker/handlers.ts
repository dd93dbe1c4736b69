/** The worker's contract, endpoint by endpoint. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { LoadingEvent, WorkerApi } from "../../api/WorkerApi.js"
import { RequestId } from "../../domain/Ids.js"
import { InferenceEvent, type InferenceRequest, samplingOf } from "../../domain/Inference.js"
import { Drain } from "../../layers/http/Drain.js"
import { deadlineOf, leaseOf, waitOf } from "../../layers/http/wishes.js"
import { generate } from "../../programs/13-generate.js"
import { collectAnswer } from "../../programs/collectAnswer.js"
import { Tokens } from "../../services/Tokens.js"
import { WorkerSelf } from "../../services/WorkerSelf.js"
import { Stop } from "../daemon.js"

/** What the worker was told to be. */
export interface Identity {
  readonly worker_id: string
  readonly model_ref: string
  /** Somebody who has the key asked for something. */
  readonly heard: Effect.Effect<void>
}

/** What a worker answers without a key. */
export const OpenHandlers = HttpApiBuilder.group(WorkerApi, "open", (handlers) =>
  handlers.handle("health", () => Effect.succeed({ status: "ok" as const }))
)

/** How long a client that renews its lease may be silent. */
const lease = Duration.seconds(15)

/** The worker's contract, for the worker of that name and model. */
export const workerHandlers = ({ worker_id, model_ref, heard }: Identity) =>
  HttpApiBuilder.group(WorkerApi, "worker", (handlers) =>
    Effect.gen(function* () {
      const self = yield* WorkerSelf
      const tokens = yield* Tokens
      const stop = yield* Stop
      const drain = yield* Drain

      const infer = Effect.fnUntraced(function* (
        payload: InferenceRequest,
        request: HttpServerRequest.HttpServerRequest
      ) {
        yield* heard
        const id = payload.request_id ?? RequestId.make(yield* tokens.id)
        const events = yield* generate(id, {
          ...{ prompt: payload.prompt, max_tokens: payload.max_tokens, sampling: samplingOf(payload) },
          ...{ deadline: deadlineOf(request), wait: waitOf(request) }
        })
        const lease = leaseOf(request)
        if (Option.isSome(lease)) yield* self.renew(id, lease.value)
        if (payload.stream) return EventStream.respond(InferenceEvent, events, { "x-request-id": id })
        const { text, end } = yield* collectAnswer(events)
        const { type: _, ...figures } = end
        return { text, ...figures }
      })

      const shutdown = Effect.as(Effect.zipRight(drain.begin, stop.request), {
        message: "draining"
      })

      return handlers
        .handle("ready", () =>
          Effect.map(self.status, ({ state }) =>
            state === "loading"
              ? { ready: false, state, model_loaded: false, progress_url: "/v1/loading/progress" }
              : { ready: state !== "draining", state, model_loaded: true }
          )
        )
        .handle("loading", () =>
          Effect.succeed(
            EventStream.respond(LoadingEvent, Stream.concat(self.loading, Stream.make({ stage: "ready" as const })))
          )
        )
        .handle("infer", ({ payload, request }) => infer(payload, request))
        .handle("execute", ({ payload, request }) => infer(payload, request))
        .handle("cancel", ({ path }) => self.cancel(path.request_id))
        .handle("renew", ({ path }) => self.renew(path.request_id, lease))
        .handle("status", () =>
          Effect.zipRight(
            heard,
            Effect.map(self.status, (status) => ({ ...status, worker_id, model_ref }))
          )
        )
        .handle("shutdown", () => shutdown)
        .handle("shutdownAlias", () => shutdown)
    })
  )
