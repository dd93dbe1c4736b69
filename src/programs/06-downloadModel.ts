import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InvalidModelFile, ModelNotFound } from "../domain/errors/Model.js"
import { InsufficientDisk } from "../domain/errors/Resource.js"
import { bytesOf, type HubListing } from "../domain/HubFiles.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel, ModelRef } from "../domain/ModelRef.js"
import { megabytes, megabytesFree, megabytesNeeded } from "../domain/Units.js"
import { Disk } from "../services/Disk.js"
import { ModelFiles } from "../services/ModelFiles.js"
import { type FetchError, type HubError, ModelHub } from "../services/ModelHub.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Settings } from "../services/Settings.js"

const say = voiceOf("rbee-hive")

/** A download needs so much more room than its bytes. */
const diskShare = 1.05
/** A file on its way, its record, and the lock. */
const filesOfDownload = 3

/** What a reference was found to be: a file of this node, or files of the hub of which some bytes are here already. */
export type FoundModel =
  | { readonly _tag: "Here"; readonly file: ModelFile }
  | {
      readonly _tag: "OnHub"
      readonly model: HubModel
      readonly listing: HubListing
      readonly local_path: string
      readonly size_bytes: number
      readonly missing_bytes: number
    }

/** What looking for a model may fail with. */
export type FindError = HubError | InvalidModelFile

/** Everything that phase 6 may fail with. */
export type DownloadError = FindError | InsufficientDisk | FetchError

type FindNeeds = ModelHub | ModelFiles | Narrator

/**
 * Phase 6: a verified file for the reference. What is on this disk already (`demo`, `file://`) is checked where it is and
 * not copied; a hub's model is fetched.
 */
export const downloadModel: (model: ModelRef) => Effect.Effect<ModelFile, DownloadError, FindNeeds | Disk | Settings> =
  Effect.fn("rbee.phase.downloadModel")(function* (model) {
    const found = yield* findModel(model)
    yield* refuseIfDiskShort(model.toString(), found._tag === "OnHub" ? found.missing_bytes : 0)
    return yield* fetchModel(found)
  })

/** The first part of phase 6: what the reference means. */
export const findModel: (model: ModelRef) => Effect.Effect<FoundModel, FindError, FindNeeds> = Effect.fn(
  "rbee.findModel"
)(function* (model) {
  switch (model._tag) {
    case "DemoModel":
      return { _tag: "Here", file: yield* takeFile(model, (yield* ModelFiles).demo) }
    case "FileModel":
      return { _tag: "Here", file: yield* takeFile(model, model.path) }
    case "HubModel":
      return yield* findOnHub(model)
  }
})

const takeFile = Effect.fnUntraced(function* (model: Exclude<ModelRef, HubModel>, path: string) {
  const files = yield* ModelFiles
  const reference = model.toString()
  const found = yield* files.stat(path)
  if (Option.isNone(found)) return yield* new ModelNotFound({ reference, missing: "file", near: [] })
  const { path: local_path, size_bytes } = found.value
  const file: ModelFile = { provider: model.provider, reference, local_path, size_bytes, sha256: null }
  yield* refuseIfInvalid(file)
  yield* say("📁", `Model ${model} is a file of this node`)
  return file
})

const findOnHub = Effect.fnUntraced(function* (model: HubModel) {
  const hub = yield* ModelHub
  yield* say("🔎", `Looking for ${model} on the hub`)
  const listing = yield* hub.find(model)
  const { local_path, bytes_present } = yield* hub.arrival(model, listing)
  const size_bytes = bytesOf(listing.files)
  const missing_bytes = Math.max(0, size_bytes - bytes_present)
  const found: FoundModel = { _tag: "OnHub", model, listing, local_path, size_bytes, missing_bytes }
  return found
})

/** EH-006a, the second part of phase 6: for downloads, disk free ≥ remaining bytes + 5 %. */
export const refuseIfDiskShort: (
  reference: string,
  missing_bytes: number
) => Effect.Effect<void, InsufficientDisk, Disk | Settings> = Effect.fn("rbee.refuseIfDiskShort")(
  function* (reference, missing_bytes) {
    if (missing_bytes === 0) return
    const { models } = yield* Settings
    const { free_bytes, free_inodes } = yield* Effect.flatMap(Disk, (disk) => disk.space(models.dir))
    const needed_bytes = missing_bytes * diskShare
    const inodesShort = free_inodes !== null && free_inodes < filesOfDownload
    if (free_bytes >= needed_bytes && !inodesShort) return
    return yield* new InsufficientDisk({
      reference,
      required_mb: megabytesNeeded(needed_bytes),
      available_mb: megabytesFree(free_bytes),
      free_inodes: inodesShort ? free_inodes : null
    })
  }
)

/** The last part of phase 6: fetches what is missing. A file that no engine could load is not kept. */
export const fetchModel: (
  found: FoundModel
) => Effect.Effect<ModelFile, FetchError | InvalidModelFile, ModelHub | ModelFiles | Narrator> = Effect.fn(
  "rbee.fetchModel"
)(function* (found) {
  if (found._tag === "Here") return found.file
  const hub = yield* ModelHub
  const { model, listing, missing_bytes } = found
  const [{ path }, ...more] = listing.files
  const name = more.length === 0 ? path : `${path} and ${more.length} more ${more.length === 1 ? "part" : "parts"}`
  if (missing_bytes > 0) yield* say("⬇️", `Downloading ${name} (${megabytes(missing_bytes)} MB)`)
  const [took, file] = yield* Effect.timed(hub.fetch(model, listing))
  if (missing_bytes > 0) {
    yield* say("📥", `Downloaded and verified ${megabytes(missing_bytes)} MB in ${Duration.format(wholeSeconds(took))}`)
  }
  yield* Effect.tapError(refuseIfInvalid(file), () => hub.discard(file.local_path))
  return file
})

const wholeSeconds = (took: Duration.Duration) => Duration.seconds(Math.max(1, Math.round(Duration.toSeconds(took))))

/** The header is read before any worker sees the file. */
const refuseIfInvalid = Effect.fnUntraced(function* ({ reference, local_path }: ModelFile) {
  const files = yield* ModelFiles
  return yield* Effect.mapError(files.inspect(local_path), ({ reason }) => new InvalidModelFile({ reference, reason }))
})
