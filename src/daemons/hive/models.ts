/** The hive's endpoints for its models. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as EventStream from "../../api/EventStream.js"
import { DownloadEvent, HiveApi } from "../../api/HiveApi.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { ModelEntry } from "../../domain/Model.js"
import { Drain } from "../../layers/http/Drain.js"
import { modelInfo } from "../../programs/modelInfo.js"
import { beginDownload, obtainModel } from "../../programs/obtainModel.js"
import { removeModel } from "../../programs/removeModel.js"
import { Downloads } from "../../services/Downloads.js"
import { ModelCatalog } from "../../services/ModelCatalog.js"
import { silently, streamOf, wantsEvents } from "../reporting.js"

/** The catalog, headers, and downloads. */
export const ModelsHandlers = HttpApiBuilder.group(HiveApi, "models", (handlers) =>
  Effect.gen(function* () {
    const catalog = yield* ModelCatalog
    const downloads = yield* Downloads
    const drain = yield* Drain
    return handlers
      .handle("list", ({ urlParams: { provider } }) =>
        Effect.map(provider === undefined ? catalog.list : catalog.ofProvider(provider), (models) => ({ models }))
      )
      .handle("info", ({ urlParams }) => silently(modelInfo(urlParams.reference)))
      .handle("remove", ({ urlParams }) => silently(removeModel(urlParams.reference)))
      .handle("download", ({ payload, request }) =>
        Effect.gen(function* () {
          if (yield* drain.isDraining) return yield* new WorkerDraining()
          if (!wantsEvents(request)) return yield* silently(beginDownload(payload.model))
          const events = yield* streamOf(
            Effect.map(
              obtainModel(payload.model, () => Effect.void),
              complete
            )
          )
          return EventStream.respond(DownloadEvent, events)
        })
      )
      .handle("progress", ({ urlParams }) =>
        Effect.gen(function* () {
          const download = yield* downloads.follow(urlParams.id)
          const events = yield* streamOf(Effect.map(download, complete))
          return EventStream.respond(DownloadEvent, events)
        })
      )
      .handle("cancel", ({ path }) => downloads.cancel(path.id))
  })
)

const complete = (model: ModelEntry) => ({
  type: "complete" as const,
  stage: "complete" as const,
  local_path: model.local_path,
  model
})
