import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ObtainError } from "../domain/errors/Phases.js"
import type { ModelEntry } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { Disk } from "../services/Disk.js"
import { Downloads, type DownloadWork } from "../services/Downloads.js"
import type { ModelCatalog } from "../services/ModelCatalog.js"
import type { ModelFiles } from "../services/ModelFiles.js"
import type { ModelHub } from "../services/ModelHub.js"
import type { Narrator } from "../services/Narrator.js"
import type { Settings } from "../services/Settings.js"
import type { Tokens } from "../services/Tokens.js"
import { lookupModel } from "./05-lookupModel.js"
import { type FoundModel, fetchModel, findModel, refuseIfDiskShort } from "./06-downloadModel.js"
import { registerModel } from "./07-registerModel.js"

/** What phases 5 to 7 need. */
export type ObtainNeeds = ModelCatalog | ModelFiles | ModelHub | Downloads | Disk | Tokens | Settings | Narrator

/**
 * Phases 5 to 7: a model of the catalog, fetched and entered there first where it must be. Who asks for the same at once shares the work.
 * `admit` may refuse what was found before a byte of it is fetched.
 */
export const obtainModel = <E, R>(
  model: ModelRef,
  admit: (found: FoundModel) => Effect.Effect<void, E, R>
): Effect.Effect<ModelEntry, ObtainError | E, ObtainNeeds | R> =>
  Effect.gen(function* () {
    const known = yield* lookupModel(model)
    if (Option.isSome(known)) return known.value
    const downloads = yield* Downloads
    const found = yield* findModel(model)
    yield* refuseIfDiskShort(model.toString(), missingOf(found))
    yield* admit(found)
    return yield* downloads.join(model.toString(), yield* workFor(found))
  }).pipe(Effect.withSpan("rbee.obtainModel"))

/** A download that goes on by itself. */
export interface BegunDownload {
  readonly download_id: string
  readonly local_path: string
}

/** The same, without waiting for it. What cannot be found, or has no room, is refused at once. */
export const beginDownload: (model: ModelRef) => Effect.Effect<BegunDownload, ObtainError, ObtainNeeds> = Effect.fn(
  "rbee.beginDownload"
)(function* (model) {
  const downloads = yield* Downloads
  const reference = model.toString()
  const known = yield* lookupModel(model)
  if (Option.isSome(known)) {
    const download_id = yield* downloads.begin(reference, Effect.succeed(known.value))
    return { download_id, local_path: known.value.local_path }
  }
  const found = yield* findModel(model)
  yield* refuseIfDiskShort(reference, missingOf(found))
  const download_id = yield* downloads.begin(reference, yield* workFor(found))
  return { download_id, local_path: found._tag === "Here" ? found.file.local_path : found.local_path }
})

const missingOf = (found: FoundModel): number => (found._tag === "OnHub" ? found.missing_bytes : 0)

/** Phases 6 and 7 with everything that they need but who is told. */
const workFor = (found: FoundModel) =>
  Effect.map(Effect.context<Exclude<ObtainNeeds, Narrator>>(), (context): DownloadWork => {
    const work = Effect.flatMap(fetchModel(found), registerModel)
    return Effect.mapInputContext(work, (narrator: Context.Context<Narrator>) => Context.merge(context, narrator))
  })
