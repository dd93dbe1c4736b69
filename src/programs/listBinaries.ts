import * as Effect from "effect/Effect"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import { type ListedBinary, listed } from "../domain/WorkerBinary.js"
import { WorkerBinaries } from "../services/WorkerBinaries.js"
import { WorkerFiles } from "../services/WorkerFiles.js"

/** The worker binaries of this node, the one that this package ships first; or those that were built with that feature. */
export const listBinaries: (
  feature: string | null
) => Effect.Effect<ReadonlyArray<ListedBinary>, CatalogUnavailable, WorkerBinaries | WorkerFiles> = Effect.fn(
  "rbee.listBinaries"
)(function* (feature) {
  const { builtInEntry } = yield* WorkerFiles
  const catalog = yield* WorkerBinaries
  const built = yield* catalog.list(feature ?? undefined)
  const ours = feature === null || builtInEntry.features.includes(feature) ? [builtInEntry] : []
  return [...ours, ...built].map(listed)
})
