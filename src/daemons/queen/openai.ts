/** OpenAI's paths as the queen serves them: for every model of her pool. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as EventStream from "../../api/EventStream.js"
import { QueenApi } from "../../api/QueenApi.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { ChatRequest } from "../../domain/OpenAi.js"
import { Drain } from "../../layers/http/Drain.js"
import { deadlineOf, waitOf } from "../../layers/http/wishes.js"
import { answerFromPool } from "../../programs/answerFromPool.js"
import { Settings } from "../../services/Settings.js"
import { PoolWorkers } from "../../services/WorkerRegistry.js"
import { silently } from "../reporting.js"

/** A streamed answer's headers go out after so long at the latest, also where its first word takes minutes: clients give up without. */
const patience = "10 seconds"

/** What the model will read, as far as it tells conversations apart. */
const wordsOf = ({ messages, tools }: ChatRequest): string => JSON.stringify([tools, ...messages])

/** Chat, completions and embeddings, handed on to workers as they came; and the models that there are. */
export const OpenAiHandlers = HttpApiBuilder.group(QueenApi, "openai", (handlers) =>
  Effect.gen(function* () {
    const pool = yield* PoolWorkers
    const drain = yield* Drain
    const { timeouts, offers } = yield* Settings
    const started_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)

    const answer = Effect.fnUntraced(function* (
      request: HttpServerRequest.HttpServerRequest,
      path: string,
      { model, prompt, stream }: { readonly model: string; readonly prompt: string; readonly stream: boolean }
    ) {
      if (yield* drain.isDraining) return yield* new WorkerDraining()
      const scope = yield* Effect.scope // the request's own: it ends with the answer, or with who asked
      const forwarded = silently(
        answerFromPool({
          ...{ path, model, prompt, body: yield* Effect.orDie(request.text) }, // it was read before: it is there
          ...{ deadline: deadlineOf(request), wait: Option.getOrElse(waitOf(request), () => timeouts.queue) }
        })
      )
      if (!stream) {
        const { bytes, media_type } = yield* forwarded
        return HttpServerResponse.stream(bytes, { contentType: media_type })
      }
      const asking = yield* Effect.forkIn(Scope.extend(forwarded, scope), scope)
      const soon = yield* Effect.timeoutOption(Fiber.join(asking), patience)
      return Option.match(soon, {
        onSome: ({ bytes }) => EventStream.relay(bytes),
        onNone: () => EventStream.relayLater(Effect.map(Fiber.join(asking), ({ bytes }) => bytes))
      })
    })

    return handlers
      .handle("chat", ({ payload, request }) =>
        answer(request, "/v1/chat/completions", {
          ...{ model: payload.model, prompt: wordsOf(payload), stream: payload.stream === true }
        })
      )
      .handle("completions", ({ payload, request }) =>
        answer(request, "/v1/completions", {
          ...{ model: payload.model, prompt: payload.prompt, stream: payload.stream === true }
        })
      )
      .handle("embeddings", ({ payload, request }) =>
        answer(request, "/v1/embeddings", { model: payload.model, prompt: "", stream: false })
      )
      .handle("models", () =>
        Effect.map(pool.list, (workers) => {
          const ids = new Set([...offers.keys(), ...workers.flatMap(({ models_loaded }) => models_loaded)])
          const data = [...ids].map((id) => ({
            ...{ id, object: "model" as const, created: started_unix, owned_by: "rbee" }
          }))
          return { object: "list" as const, data }
        })
      )
  })
)
