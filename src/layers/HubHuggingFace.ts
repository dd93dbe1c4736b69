/** The model hub: the Hugging Face hub's protocol over HTTP, into the models' folder. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { ChecksumMismatch, DownloadFailed } from "../domain/errors/Model.js"
import { splitName } from "../domain/Gguf.js"
import { bytesOf, type HubFile, type HubListing } from "../domain/HubFiles.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel } from "../domain/ModelRef.js"
import { DownloadProgress } from "../domain/Narration.js"
import { type FetchError, type HubError, ModelHub } from "../services/ModelHub.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import { Settings } from "../services/Settings.js"
import { hashing } from "./hub/hashing.js"
import { connections } from "./hub/http.js"
import { bytesLeft, etagOf, openPartial, partialOf, removePartial } from "./hub/partialFile.js"
import { type Hub, list } from "./hub/requests.js"
import { type Throttle, throttleOf } from "./hub/throttle.js"
import { diskProblem, onDisk, persist, transfer } from "./hub/transfer.js"
import { Refused } from "./hub/trouble.js"
import { withFileLock } from "./lockFile.js"

const say = voiceOf("rbee-hive")

/** How often progress is told. */
const tellEvery = "100 millis"
/** Over how many of these the speed is taken. */
const speedSamples = 20
/** How often a file is fetched whose checksum turns out to be wrong. */
const passes_max = 2

/** `org--repo` cannot be another repository's: the hub's names hold no two dashes in a row. */
const folderOf = (models: string, { repo }: HubModel, { commit }: HubListing): string =>
  Path.join(models, repo.replace("/", "--"), commit)

const sizeOf = (path: string): Promise<number | null> =>
  Fs.stat(path).then(
    (stats) => (stats.isFile() ? stats.size : null),
    () => null
  )

/** What is here of a file: all of it under its final name, or what an earlier download left. */
const bytesHere = async (final: string, commit: string, file: HubFile): Promise<number> =>
  (await sizeOf(final)) === file.size_bytes ? file.size_bytes : bytesLeft(final, etagOf(commit, file), file.size_bytes)

/** What a fetch of several files counts together. */
interface Tally {
  readonly total: number
  /** Bytes of each file that are here. */
  readonly here: Map<string, number>
}

/** Tells ten times a second how far the fetch is, while the scope lasts. */
const tellProgress = Effect.fnUntraced(function* ({ total, here }: Tally) {
  const samples: Array<{ readonly at_ms: number; readonly bytes: number }> = []
  const tell = Effect.gen(function* () {
    const at_ms = yield* Clock.currentTimeMillis
    const bytes = [...here.values()].reduce((sum, n) => sum + n, 0)
    samples.push({ at_ms, bytes })
    if (samples.length > speedSamples) samples.shift()
    const first = samples[0] ?? { at_ms, bytes }
    const speed_mbps = at_ms === first.at_ms ? 0 : Math.max(0, bytes - first.bytes) / 1000 / (at_ms - first.at_ms)
    yield* report(
      DownloadProgress.make({ stage: "downloading", bytes_downloaded: bytes, bytes_total: total, speed_mbps })
    )
  })
  yield* Effect.forkScoped(Effect.schedule(tell, Schedule.spaced(tellEvery)))
  yield* Effect.addFinalizer(() => tell) // the last figures, also of what was broken off
})

interface FetchOrder {
  readonly hub: Hub
  readonly throttle: Throttle
  readonly model: HubModel
  readonly commit: string
  readonly folder: string
  readonly tally: Tally
}

/** Fetches one file, verifies it, and gives it its final name; its SHA-256. */
const fetchFile = (order: FetchOrder, file: HubFile): Effect.Effect<string | null, Refused, Narrator> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { model, folder, tally } = order
      const final = Path.join(folder, file.path)
      const waiting = say("⏳", `Another process downloads ${Path.basename(final)}: waiting for it`)
      yield* Effect.mapError(
        withFileLock(`${partialOf(final)}.lock`, waiting),
        (error) => new Refused({ error: diskProblem(model, file.size_bytes, error) })
      )
      // Under its final name a file is always whole.
      if ((yield* Effect.promise(() => sizeOf(final))) === file.size_bytes) {
        tally.here.set(file.path, file.size_bytes)
        return file.sha256
      }
      for (let pass = 1; ; pass++) {
        const sha256 = yield* Effect.tapErrorTag(onePass(order, file, final), "Refused", ({ error }) =>
          error._tag === "DiskFull" ? Effect.promise(() => removePartial(final)) : Effect.void
        )
        if (file.sha256 === null || sha256 === file.sha256) return sha256
        if (pass === passes_max) {
          const error = { reference: model.toString(), expected_sha256: file.sha256, actual_sha256: sha256 }
          return yield* new Refused({ error: new ChecksumMismatch(error) })
        }
        yield* say("♻️", "Checksum mismatch: deleted, fetching it once more")
      }
    })
  )

/** All bytes and their SHA-256; the file has its final name where that is right, and is gone where it is not. */
const onePass = (order: FetchOrder, file: HubFile, final: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { commit, tally } = order
      const partial = yield* Effect.mapError(
        openPartial(final, etagOf(commit, file), file.size_bytes),
        (error) => new Refused({ error: diskProblem(order.model, file.size_bytes, error) })
      )
      const { prefix, present } = partial
      if (present > 0) yield* say("⏯️", `Resuming at ${Math.floor((100 * present) / file.size_bytes)} %`)
      // A server without ranges makes us start over, and the hash with us.
      const hash = yield* hashing({ path: partial.path, size_bytes: file.size_bytes })
      let reached = prefix
      let restarted = false
      hash.reached(prefix)
      yield* transfer({ ...order, file }, partial, () => {
        tally.here.set(file.path, partial.present)
        const now = partial.prefix
        if (now < reached) restarted = true
        reached = now
        if (!restarted) hash.reached(now)
      })
      const again = restarted ? yield* hashing({ path: partial.path, size_bytes: file.size_bytes }) : hash
      if (restarted) again.reached(file.size_bytes)
      const unreadable = (reason: string) =>
        new Refused({ error: new DownloadFailed({ reference: order.model.toString(), attempts: 1, reason }) })
      const sha256 = yield* Effect.mapError(again.digest, unreadable)
      if (file.sha256 === null || sha256 === file.sha256) yield* onDisk(order, partial, () => partial.arrive(final))
      else yield* onDisk(order, partial, () => removePartial(final))
      return sha256
    })
  )

const make = Effect.gen(function* () {
  const { models, hub: settings, timeouts } = yield* Settings
  const throttle = throttleOf(models.max_mbps)
  /** The token's file is read when it is needed: whoever logs in to the hub need not restart the hive. */
  const token = Option.match(settings.token, {
    onSome: Effect.succeedSome,
    onNone: () =>
      Effect.promise(() =>
        Fs.readFile(settings.token_file, "utf8").then(
          (text) => Option.map(Option.liftPredicate(text.trim(), isToken), Redacted.make),
          () => Option.none()
        )
      )
  })
  const hub: Hub = {
    endpoint: new URL(settings.endpoint),
    connections: yield* connections,
    token,
    stall: timeouts.download_stall
  }

  const find = (model: HubModel): Effect.Effect<HubListing, HubError, Narrator> =>
    persist({ model, say }, () => 0, list(hub, model)).pipe(Effect.mapError((refused) => hubErrorOf(refused, model)))

  const fetch = Effect.fn("ModelHub.fetch")(
    function* (model: HubModel, listing: HubListing) {
      const folder = folderOf(models.dir, model, listing)
      const tally: Tally = { total: bytesOf(listing.files), here: new Map() }
      for (const file of listing.files) {
        tally.here.set(
          file.path,
          yield* Effect.promise(() => bytesHere(Path.join(folder, file.path), listing.commit, file))
        )
      }
      yield* tellProgress(tally)
      const order = { hub, throttle, model, commit: listing.commit, folder, tally }
      const sums = yield* Effect.forEach(listing.files, (file) => fetchFile(order, file))
      const found: ModelFile = {
        provider: model.provider,
        reference: model.toString(),
        local_path: Path.join(folder, listing.files[0].path),
        size_bytes: tally.total,
        // A split model has a checksum a part; each was verified.
        sha256: sums.length === 1 ? (sums[0] ?? null) : null
      }
      return found
    },
    Effect.scoped,
    Effect.catchTag("Refused", ({ error }): Effect.Effect<never, FetchError> => Effect.fail(error))
  )

  return ModelHub.of({
    find,
    fetch,
    arrival: (model, listing) =>
      Effect.promise(async () => {
        const folder = folderOf(models.dir, model, listing)
        const here = listing.files.map((file) => bytesHere(Path.join(folder, file.path), listing.commit, file))
        const bytes_present = (await Promise.all(here)).reduce((sum, bytes) => sum + bytes, 0)
        return { local_path: Path.join(folder, listing.files[0].path), bytes_present }
      }),
    discard: (local_path) => Effect.promise(() => discardFrom(models.dir, local_path))
  })
})

/** Removes a model of our folder, all its parts, and the folders that are empty then. What lies elsewhere is not ours. */
const discardFrom = async (models: string, local_path: string): Promise<void> => {
  const inside = Path.relative(models, local_path)
  if (inside.startsWith("..") || Path.isAbsolute(inside)) return
  const split = splitName(local_path)
  const parts = split === null ? [local_path] : Array.from({ length: split.count }, (_, index) => split.nth(index + 1))
  for (const path of parts) {
    await Fs.rm(path, { force: true })
    await removePartial(path)
  }
  for (let folder = Path.dirname(local_path); folder !== models; folder = Path.dirname(folder)) {
    const left = await Fs.rmdir(folder).then(
      () => false,
      () => true
    )
    if (left) return // other models of the repository
  }
}

/** Anything else could not be sent, and opens nothing. */
const isToken = (text: string): boolean => /^[\x21-\x7e]+$/.test(text)

/** Listing fails with nothing that only bytes can fail with. */
const hubErrorOf = ({ error }: Refused, model: HubModel): HubError =>
  error._tag === "DiskFull" || error._tag === "ChecksumMismatch"
    ? new DownloadFailed({ reference: model.toString(), attempts: 1, reason: error._tag })
    : error

/** Downloads from the configured hub, over HTTP without any redirect being followed blindly. */
export const HubHuggingFace: Layer.Layer<ModelHub, never, Settings> = Layer.scoped(ModelHub, make)
