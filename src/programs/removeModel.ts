import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import { ModelInUse, ModelNotFound } from "../domain/errors/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import { megabytes } from "../domain/Units.js"
import { ModelCatalog } from "../services/ModelCatalog.js"
import { ModelHub } from "../services/ModelHub.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { HiveWorkers } from "../services/WorkerRegistry.js"

const say = voiceOf("rbee-hive")

/**
 * Takes a model off the node: the entry, and the file where rbee put it there and no other entry needs it. A file of the user's own stays,
 * and nothing is taken from under a worker.
 */
export const removeModel: (
  model: ModelRef
) => Effect.Effect<
  void,
  CatalogUnavailable | ModelNotFound | ModelInUse,
  ModelCatalog | ModelHub | HiveWorkers | Narrator
> = Effect.fn("rbee.removeModel")(function* (model) {
  const catalog = yield* ModelCatalog
  const hub = yield* ModelHub
  const workers = yield* HiveWorkers
  const reference = model.toString()
  const entry = yield* catalog.find(reference)
  const all = yield* catalog.list
  if (Option.isNone(entry)) {
    const near = Arr.map(all, (other) => other.reference)
    return yield* new ModelNotFound({ reference, missing: "entry", near })
  }
  const { local_path, provider, size_bytes } = entry.value
  const sharing = Arr.filter(all, (other) => other.local_path === local_path)
  const names = Arr.map(sharing, (other) => other.reference)
  const holders = Arr.filter(
    yield* workers.list,
    ({ worker: { model_ref, state } }) => names.includes(model_ref) && state !== "failed"
  )
  if (holders.length > 0) {
    return yield* new ModelInUse({ reference, workers: Arr.map(holders, ({ worker }) => worker.id) })
  }
  yield* catalog.remove(reference)
  if (provider !== "hf") return yield* say("📤", `Model ${model} is out of the catalog; its file stays where it is`)
  if (sharing.length > 1) {
    return yield* say(
      "📤",
      `Model ${model} is out of the catalog; ${names.find((name) => name !== reference)} is the same file`
    )
  }
  yield* hub.discard(local_path)
  yield* say("🗑️", `Model ${model} is removed: ${megabytes(size_bytes)} MB are free again`)
})
