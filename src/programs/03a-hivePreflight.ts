import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { VersionMismatch } from "../domain/errors/Hive.js"
import { BackendUnavailable, CudaUnavailable } from "../domain/errors/Resource.js"
import { WorkerBinaryNotFound } from "../domain/errors/Worker.js"
import type { HiveAddress, HiveReport } from "../domain/Hive.js"
import { compatible, version } from "../domain/Version.js"
import type { SpawnRequest } from "../domain/Worker.js"
import { builtInWorkerType } from "../domain/Worker.js"
import { type HiveCallError, HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Versions } from "../services/Versions.js"

const say = voiceOf("queen-rbee")

/**
 * Phase 3a: is the hive well, of a version that goes with ours, and able to do what the task asks? CUDA that is not there is
 * `CudaUnavailable` with the driver's own reason, already here, before anything is fetched or spawned.
 * A worker type that is not there yet is left to the hive's phase 3b, which builds it or says why it cannot; but the one that every
 * package ships cannot be built: a hive without it is damaged.
 */
export const hivePreflight: (
  hive: HiveAddress,
  task: Pick<SpawnRequest, "worker_type" | "backend">
) => Effect.Effect<
  HiveReport,
  HiveCallError | VersionMismatch | WorkerBinaryNotFound | BackendUnavailable | CudaUnavailable,
  HiveClient | Versions | Narrator
> = Effect.fn("rbee.phase.hivePreflight")(function* (hive, task) {
  const report = yield* inspectHive(hive)
  const { worker_type } = task
  if (!report.worker_binaries.includes(worker_type)) {
    if (worker_type === builtInWorkerType) return yield* new WorkerBinaryNotFound({ worker_type })
    yield* say("🔨", `No ${worker_type} there yet: the hive has to build it first`)
  }
  const available = availableIn(report)
  if (available.includes(task.backend)) return report
  const reason = report.backends.find(({ name }) => name === task.backend)?.reason
  return yield* task.backend === "cuda"
    ? new CudaUnavailable({ reason: reason ?? "the node reports no CUDA" })
    : new BackendUnavailable({ backend: task.backend, available })
})

/** What phase 3a checks of any hive, whatever it is wanted for: that it is alive, its version, and what it has. */
export const inspectHive: (
  hive: HiveAddress
) => Effect.Effect<HiveReport, HiveCallError | VersionMismatch, HiveClient | Versions | Narrator> = Effect.fn(
  "rbee.inspectHive"
)(function* (hive) {
  const client = yield* HiveClient
  const versions = yield* Versions
  const health = yield* client.health(hive)
  if (!versions.satisfies(health.version, compatible)) {
    return yield* new VersionMismatch({
      part: "rbee-hive",
      node: hive.node,
      required: compatible,
      actual: health.version
    })
  }
  if (health.version !== version) {
    yield* say("🔀", `Hive ${health.version} is another version than ours, ${version}: they go together`)
  }
  const worker_binaries = yield* client.workerBinaries(hive)
  const backends = yield* client.backends(hive)
  const resources = yield* client.resources(hive)
  const report = { health, backends, worker_binaries, resources }
  yield* say("🩺", `Hive ${health.version} is well: ${worker_binaries.join(", ") || "no worker binary"}`)
  yield* say(
    "📊",
    `Backends ${availableIn(report).join(", ")}; ` +
      `${resources.ram_available_mb} MB RAM and ${resources.disk_free_mb} MB disk free`
  )
  return report
})

const availableIn = ({ backends }: HiveReport) =>
  Arr.map(
    Arr.filter(backends, ({ available }) => available),
    ({ name }) => name
  )
