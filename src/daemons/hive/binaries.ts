/** The hive's endpoints for its worker binaries. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Effect from "effect/Effect"
import * as EventStream from "../../api/EventStream.js"
import { HiveApi, ProvisionEvent } from "../../api/HiveApi.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import { type ListedBinary, listed, type ProvisionRequest } from "../../domain/WorkerBinary.js"
import { Drain } from "../../layers/http/Drain.js"
import { provisionBinary } from "../../programs/03b-provisionWorker.js"
import { listBinaries } from "../../programs/listBinaries.js"
import { silently, streamOf, wantsEvents } from "../reporting.js"

/** The catalog, and builds. */
export const BinariesHandlers = HttpApiBuilder.group(HiveApi, "binaries", (handlers) =>
  Effect.gen(function* () {
    const drain = yield* Drain
    return handlers
      .handle("list", ({ urlParams }) =>
        Effect.map(listBinaries(urlParams.feature ?? null), (binaries) => ({ binaries }))
      )
      .handle("provision", ({ payload, request }) =>
        Effect.gen(function* () {
          if (yield* drain.isDraining) return yield* new WorkerDraining()
          if (!wantsEvents(request)) return yield* silently(provision(payload))
          return EventStream.respond(ProvisionEvent, yield* streamOf(Effect.map(provision(payload), provisioned)))
        })
      )
  })
)

const provision = ({ worker_type, features, force_rebuild, git_repo_url, git_branch }: ProvisionRequest) =>
  Effect.map(
    provisionBinary(worker_type, features, {
      force_rebuild,
      source: git_repo_url === null ? null : { url: git_repo_url, branch: git_branch }
    }),
    listed
  )

const provisioned = (binary: ListedBinary) => ({ type: "binary" as const, ...binary })
