/** The queen's endpoints for the models of her nodes. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as EventStream from "../../api/EventStream.js"
import { ModelEvent, ModelInfoEvent, ModelRemovedEvent, ModelsEvent, QueenApi } from "../../api/QueenApi.js"
import { downloadTo, modelInfoOn, modelsOn, removeModelOn } from "../../programs/nodeModels.js"
import { isNoProgress, silently, streamOf, wantsEvents } from "../reporting.js"

/** Catalogs, headers, downloads and removals on nodes. */
export const ModelsHandlers = HttpApiBuilder.group(QueenApi, "models", (handlers) =>
  handlers
    .handle("list", ({ path, urlParams, request }) =>
      Effect.gen(function* () {
        const program = Effect.map(modelsOn(path.name, urlParams.provider ?? null), (models) => ({ models }))
        if (!wantsEvents(request)) return yield* silently(program)
        const events = yield* streamOf(Effect.map(program, ({ models }) => ({ type: "models" as const, models })))
        return EventStream.respond(ModelsEvent, Stream.filter(events, isNoProgress))
      })
    )
    .handle("info", ({ path, urlParams, request }) =>
      Effect.gen(function* () {
        const program = modelInfoOn(path.name, urlParams.reference)
        if (!wantsEvents(request)) return yield* silently(program)
        const events = yield* streamOf(Effect.map(program, (info) => ({ type: "model_info" as const, ...info })))
        return EventStream.respond(ModelInfoEvent, Stream.filter(events, isNoProgress))
      })
    )
    .handle("remove", ({ path, urlParams, request }) =>
      Effect.gen(function* () {
        const { reference } = urlParams
        const program = removeModelOn(path.name, reference)
        if (!wantsEvents(request)) return yield* silently(program)
        const events = yield* streamOf(Effect.as(program, { type: "model_removed" as const, reference }))
        return EventStream.respond(ModelRemovedEvent, Stream.filter(events, isNoProgress))
      })
    )
    .handle("download", ({ path, payload, request }) =>
      Effect.gen(function* () {
        const program = downloadTo(path.name, payload.model)
        if (!wantsEvents(request)) return yield* silently(program)
        const events = yield* streamOf(Effect.map(program, (model) => ({ type: "model" as const, model })))
        return EventStream.respond(ModelEvent, events)
      })
    )
)
