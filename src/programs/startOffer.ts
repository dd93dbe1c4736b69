import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Order from "effect/Order"
import type { RbeeError } from "../domain/errors/index.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import { anyNode, type ModelOffer } from "../domain/ModelOffer.js"
import { builtInWorkerType, type SpawnRequest, type WorkerInfo } from "../domain/Worker.js"
import { HiveClient } from "../services/HiveClient.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import { Traffic } from "../services/Traffic.js"
import type { Versions } from "../services/Versions.js"
import type { PoolWorkers } from "../services/WorkerRegistry.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { spawnOn } from "./spawnOn.js"
import { stopPoolWorker } from "./stopPoolWorker.js"

const say = voiceOf("queen-rbee")

type Needs = NodeRegistry | Hives | HiveClient | PoolWorkers | Traffic | Versions | Narrator

/**
 * A worker for a model that somebody asked for and no worker has: on the node that the offer names, or on the first that has room.
 * Where there is none, idle workers of that node make room, one after another, those first that did nothing for longest; one that is
 * busy never does.
 */
export const startOffer: (offer: ModelOffer) => Effect.Effect<WorkerInfo, RbeeError, Needs> = Effect.fn(
  "rbee.startOffer"
)(function* (offer) {
  const { ref: model, backend, device, slots, ctx_size, idle } = offer
  const request: SpawnRequest = {
    ...{ model, backend, device, slots, ctx_size, worker_type: builtInWorkerType },
    ...{ threads: null, pin: false, reuse: true }, // whoever asks for it at the same time gets the same one
    ...(idle === undefined ? {} : { idle_s: Math.ceil(Duration.toSeconds(idle)) })
  }
  const [first, ...others] = yield* nodesOf(offer)
  const start = (name: NodeName) => makingRoom(name, spawnOn(name, request))
  return yield* others.reduce(
    (tried, name) => Effect.catchIf(tried, isNoRoom, () => start(name)),
    start(first ?? localhost)
  )
})

const nodesOf = Effect.fnUntraced(function* ({ node }: ModelOffer) {
  if (node !== anyNode) return [node]
  const nodes = yield* Effect.flatMap(NodeRegistry, ({ list }) => list)
  return [localhost, ...nodes.map(({ node_name }) => node_name)]
})

/** What another node, or a worker fewer, may change. */
const noRoom: ReadonlySet<RbeeError["_tag"]> = new Set([
  ...(["InsufficientRam", "VramExhausted", "VramFragmented", "GpuTooHot", "OutOfMemory", "NoFreePort"] as const),
  ...(["BackendUnavailable", "CudaUnavailable", "DeviceUnavailable", "HiveUnreachable"] as const)
])
const memory: ReadonlySet<RbeeError["_tag"]> = new Set(["InsufficientRam", "VramExhausted", "VramFragmented"])
const isNoRoom = ({ _tag }: RbeeError): boolean => noRoom.has(_tag)

const makingRoom = <A, R>(
  name: NodeName,
  start: Effect.Effect<A, RbeeError, R>
): Effect.Effect<A, RbeeError, R | Needs> =>
  Effect.catchIf(
    start,
    ({ _tag }) => memory.has(_tag),
    (error) =>
      Effect.flatMap(
        idlest(name),
        Option.match({
          onNone: () => Effect.fail(error),
          onSome: (id) =>
            say("♻️", `Stopping idle worker ${id} on ${name} to make room`).pipe(
              Effect.zipRight(stopPoolWorker(id)),
              Effect.zipRight(makingRoom(name, start))
            )
        })
      )
  )

/**
 * The worker on the node that has had nothing to do for longest, as its hive tells of them: other queens may use them too. One that we
 * have just sent something to is not idle, whatever it says.
 */
const idlest = Effect.fnUntraced(function* (name: NodeName) {
  const { running } = yield* Traffic
  const client = yield* HiveClient
  const hive = yield* Effect.flatMap(loadRegistry(name), (node) =>
    Effect.flatMap(Hives, (hives) => hives.running(node))
  )
  if (Option.isNone(hive)) return Option.none()
  const idle = (yield* client.workers(hive.value.address)).filter(({ state }) => state === "idle")
  const free = yield* Effect.filter(idle, ({ id }) => Effect.map(running(id), (count) => count === 0))
  return Option.map(Arr.head(Arr.sortBy(longestIdle)(free)), ({ id }) => id)
})

const longestIdle = Order.mapInput(Order.number, ({ last_activity }: WorkerInfo) => last_activity)
