import * as Effect from "effect/Effect"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import { Builds } from "../services/Builds.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { WorkerBinaries } from "../services/WorkerBinaries.js"
import { WorkerFiles } from "../services/WorkerFiles.js"

const say = voiceOf("rbee-hive")

/**
 * Gives up the checkouts of builds that failed or that no entry of the catalog stands for any more: while a hive runs they make the next
 * attempt quicker, so this is for its start. Nothing is given up while workers of a hive before it may run from there, nor
 * where the catalog has no row: it may be the fresh one in a damaged one's place.
 */
export const discardBuilds: Effect.Effect<void, CatalogUnavailable, WorkerBinaries | WorkerFiles | Builds | Narrator> =
  Effect.gen(function* () {
    const entries = yield* Effect.flatMap(WorkerBinaries, (catalog) => catalog.list())
    const running = yield* Effect.flatMap(WorkerFiles, (files) => files.recorded)
    if (entries.length === 0 || running.length > 0) return
    const builds = yield* Builds
    const names = yield* builds.discard(entries.map(({ binary_path }) => binary_path))
    if (names.length > 0)
      yield* say("🧹", `Removing ${names.length} old ${names.length === 1 ? "build" : "builds"}: ${names.join(", ")}`)
  }).pipe(Effect.withSpan("rbee.discardBuilds"))
