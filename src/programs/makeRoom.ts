import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import type { RbeeError } from "../domain/errors/index.js"
import type { InsufficientRam, VramExhausted, VramFragmented } from "../domain/errors/Resource.js"
import type { HiveAddress, Resources } from "../domain/Hive.js"
import type { NodeName, WorkerId } from "../domain/Ids.js"
import { megabytesFree } from "../domain/Units.js"
import type { SpawnRequest, WorkerInfo } from "../domain/Worker.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import { Traffic } from "../services/Traffic.js"
import { PoolWorkers } from "../services/WorkerRegistry.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { stopPoolWorker } from "./stopPoolWorker.js"

const say = voiceOf("queen-rbee")

/** What a worker fewer may change. */
type NoMemory = InsufficientRam | VramExhausted | VramFragmented

/** Whether a spawn failed for want of memory. */
export const isNoMemory = (error: RbeeError): error is NoMemory =>
  error._tag === "InsufficientRam" || error._tag === "VramExhausted" || error._tag === "VramFragmented"

type Needs = NodeRegistry | Hives | HiveClient | PoolWorkers | Traffic | Narrator

/**
 * Makes room on a node for a spawn that was refused for want of memory: stops one idle worker, the one that did nothing for longest.
 * One that is busy never goes, and none does where all of them together would not make enough room. Gives whether one went.
 */
export const makeRoom: (
  name: NodeName,
  request: SpawnRequest,
  refusal: NoMemory
) => Effect.Effect<boolean, RbeeError, Needs> = Effect.fn("rbee.makeRoom")(function* (name, request, refusal) {
  const hive = yield* Effect.flatMap(loadRegistry(name), (node) =>
    Effect.flatMap(Hives, (hives) => hives.running(node))
  )
  if (Option.isNone(hive)) return false
  const { address } = hive.value
  const idle = yield* idleWorkers(address)
  const resources = yield* Effect.flatMap(HiveClient, (client) => client.resources(address))
  const [longest] = whoWouldDo(request, refusal, idle, resources)
  if (longest === undefined) return false
  const pool = yield* PoolWorkers
  yield* pool.put({ ...longest, node: name }) // the hive may have told of it to others only
  yield* say("♻️", `Stopping idle worker ${longest.id} on ${name} to make room`)
  yield* stopPoolWorker(longest.id)
  return true
})

/**
 * The idle workers, those first that did nothing for longest, as their hive tells of them: other queens may use them too. One that we
 * have just sent something to is not idle, whatever it says.
 */
const idleWorkers = Effect.fnUntraced(function* (address: HiveAddress) {
  const { running } = yield* Traffic
  const all = yield* Effect.flatMap(HiveClient, (client) => client.workers(address))
  const idle = all.filter(({ state }) => state === "idle")
  const free = yield* Effect.filter(idle, ({ id }: { readonly id: WorkerId }) =>
    Effect.map(running(id), (n) => n === 0)
  )
  return Arr.sortBy(Order.mapInput(Order.number, ({ last_activity }: WorkerInfo) => last_activity))(free)
})

/** Of the idle ones those whose end would make room: all of them for RAM, for VRAM those of one device that together hold enough. */
const whoWouldDo = (
  { backend, device }: SpawnRequest,
  refusal: NoMemory,
  idle: ReadonlyArray<WorkerInfo>,
  { ram_total_mb, gpus }: Resources
): ReadonlyArray<WorkerInfo> => {
  if (refusal._tag === "InsufficientRam") return refusal.required_mb <= ram_total_mb ? idle : []
  const ofDevices = gpus
    .filter((gpu) => gpu.device.startsWith(`${backend}:`) && (device === null || gpu.device === `${backend}:${device}`))
    .map((gpu) => ({ ...gpu, idle: idle.filter((worker) => `${worker.backend}:${worker.device}` === gpu.device) }))
  const enough = ofDevices.find(
    ({ vram_free_mb, idle }) =>
      vram_free_mb + megabytesFree(idle.reduce((sum, { vram_bytes }) => sum + vram_bytes, 0)) >= refusal.required_mb
  )
  return enough?.idle ?? []
}
