import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import { type Backend, isGpu } from "../domain/Device.js"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ProvisionError } from "../domain/errors/Phases.js"
import { CudaToolkitMissing } from "../domain/errors/Resource.js"
import { WorkerBinaryNotFound, WorkerBuildFailed, WorkerVerificationFailed } from "../domain/errors/Worker.js"
import type { WorkerBinary } from "../domain/Worker.js"
import { type BuildOrder, type BuildSource, canonical, type WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import { Builds } from "../services/Builds.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Settings } from "../services/Settings.js"
import { Tokens } from "../services/Tokens.js"
import { WorkerBinaries } from "../services/WorkerBinaries.js"
import { WorkerFiles } from "../services/WorkerFiles.js"

const say = voiceOf("rbee-hive")

/** What phase 3b needs. */
export type ProvisionNeeds = WorkerFiles | WorkerBinaries | Builds | Tokens | Settings | Narrator

/** What a worker has to be built with for a backend. The CPU is had by every worker, and nothing has to be said for it. */
export const featuresFor = (backend: Backend): ReadonlyArray<string> => (isGpu(backend) ? [backend] : [])

/** How it is provisioned, where that is said. */
export interface ProvisionOptions {
  /** Builds it, whatever the catalog says. */
  readonly force_rebuild?: boolean
  /** What it is built from; otherwise what the settings name. */
  readonly source?: BuildSource | null
  /** What it is built from where the settings name nothing either. */
  readonly fallback?: BuildSource | undefined
}

/** Phase 3b: the command that serves a worker type, built first where it must be. */
export const provisionWorker: (
  worker_type: string,
  features: ReadonlyArray<string>,
  options?: ProvisionOptions
) => Effect.Effect<WorkerBinary, ProvisionError, ProvisionNeeds> = Effect.fn("rbee.phase.provisionWorker")(
  function* (worker_type, features, options) {
    const { builtIn } = yield* WorkerFiles
    if (worker_type === builtIn.worker_type) return builtIn
    const entry = yield* provisionBinary(worker_type, features, options)
    return { worker_type, version: entry.version, command: [entry.binary_path], features: entry.features }
  }
)

/**
 * The same as the catalog's entry. The worker that this package ships is always there; another is taken from the catalog where it has
 * all features and its file, or built from git, verified and registered. Who asks for the same at once shares the build.
 */
export const provisionBinary: (
  worker_type: string,
  features: ReadonlyArray<string>,
  options?: ProvisionOptions
) => Effect.Effect<WorkerBinaryEntry, ProvisionError, ProvisionNeeds> = Effect.fn("rbee.provisionBinary")(function* (
  worker_type,
  asked,
  { force_rebuild = false, source, fallback } = {}
) {
  const { builtIn, builtInEntry } = yield* WorkerFiles
  if (worker_type === builtIn.worker_type) return builtInEntry
  const features = canonical(asked)
  const known = force_rebuild ? Option.none() : yield* lookupBinary(worker_type, features)
  if (Option.isSome(known)) return known.value
  const order = { worker_type, features, source: yield* sourceOf(worker_type, { source, fallback }) }
  const builds = yield* Builds
  return yield* builds.join(nameOf(order), yield* workFor(order, force_rebuild))
})

/** Whether the phase would find or could build it, as far as can be told without building anything. */
export const checkProvisioning: (
  worker_type: string,
  features: ReadonlyArray<string>,
  fallback?: BuildSource
) => Effect.Effect<
  void,
  CatalogUnavailable | WorkerBinaryNotFound | CudaToolkitMissing,
  WorkerFiles | WorkerBinaries | Builds | Settings
> = Effect.fn("rbee.checkProvisioning")(function* (worker_type, features, fallback) {
  const { builtIn } = yield* WorkerFiles
  if (worker_type === builtIn.worker_type) return
  if (Option.isSome(yield* lookupBinary(worker_type, features))) return
  yield* sourceOf(worker_type, { fallback })
  yield* requireToolkit(features)
})

/** Of the entries that have all these features and their file, the one with the fewest others, and of those the newest. */
const lookupBinary = Effect.fnUntraced(function* (worker_type: string, features: ReadonlyArray<string>) {
  const catalog = yield* WorkerBinaries
  const { exists } = yield* Builds
  const able = (yield* catalog.find(worker_type)).filter((entry) =>
    features.every((one) => entry.features.includes(one))
  )
  return Arr.head(Arr.sort(yield* Effect.filter(able, ({ binary_path }) => exists(binary_path)), fewestFeatures))
})

/** The sort is stable: the newest stay first. */
const fewestFeatures = Order.mapInput(Order.number, ({ features }: WorkerBinaryEntry) => features.length)

const sourceOf = Effect.fnUntraced(function* (
  worker_type: string,
  given: { readonly source?: BuildSource | null | undefined; readonly fallback?: BuildSource | undefined }
) {
  const source = given.source ?? (yield* Settings).worker_source ?? given.fallback
  return source ?? (yield* new WorkerBinaryNotFound({ worker_type }))
})

/** What one work is shared by. */
const nameOf = ({ worker_type, features, source }: BuildOrder) =>
  JSON.stringify([worker_type, features, source.url, source.branch])

const requireToolkit = Effect.fnUntraced(function* (features: ReadonlyArray<string>) {
  if (!features.some((feature) => /cuda/i.test(feature))) return
  const { hasCudaToolkit } = yield* Builds
  if (!(yield* hasCudaToolkit)) return yield* new CudaToolkitMissing()
})

/** The build with everything that it needs but who is told. */
const workFor = (order: BuildOrder, force_rebuild: boolean) =>
  Effect.map(Effect.context<Exclude<ProvisionNeeds, Narrator>>(), (context) =>
    Effect.mapInputContext(buildBinary(order, force_rebuild), (narrator: Context.Context<Narrator>) =>
      Context.merge(context, narrator)
    )
  )

const buildBinary = Effect.fnUntraced(function* (order: BuildOrder, force_rebuild: boolean) {
  const { worker_type, features, source } = order
  const catalog = yield* WorkerBinaries
  const builds = yield* Builds
  if (!force_rebuild) {
    // Another build may have ended between the look and this one's turn.
    const known = yield* lookupBinary(worker_type, features)
    if (Option.isSome(known)) return known.value
  }
  yield* requireToolkit(features)
  const name = `${worker_type} [${features.join(", ")}]`
  yield* say("🔨", `Building ${name} from ${source.branch} of ${source.url}`)
  // It is built where the one before it stands: what is half built is in no catalog.
  for (const entry of yield* catalog.find(worker_type)) {
    if (sameFeatures(entry, order)) yield* catalog.remove(entry.id)
  }
  const binary_path = yield* Effect.mapError(
    builds.build(order),
    ({ lines }) => new WorkerBuildFailed({ worker_type, features, stderr_lines: lines })
  )
  const version = yield* Effect.mapError(
    builds.verify(binary_path),
    ({ reason }) => new WorkerVerificationFailed({ worker_type, reason })
  )
  const built_at_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)
  const id = yield* (yield* Tokens).id
  const entry: WorkerBinaryEntry = { id, worker_type, version, binary_path, features, built_at_unix }
  yield* catalog.put(entry)
  yield* say("✅", `Built, verified and registered ${name}, version ${version}`)
  return entry
})

const sameFeatures = (one: { readonly features: ReadonlyArray<string> }, other: typeof one) =>
  `${one.features}` === `${other.features}`
