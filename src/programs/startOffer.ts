import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { RbeeError } from "../domain/errors/index.js"
import { localhost, type NodeName } from "../domain/Ids.js"
import { anyNode, type ModelOffer } from "../domain/ModelOffer.js"
import { builtInWorkerType, type SpawnRequest, type WorkerInfo } from "../domain/Worker.js"
import type { HiveClient } from "../services/HiveClient.js"
import type { Hives } from "../services/Hives.js"
import type { Narrator } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Traffic } from "../services/Traffic.js"
import type { Versions } from "../services/Versions.js"
import type { PoolWorkers } from "../services/WorkerRegistry.js"
import { isNoMemory, makeRoom } from "./makeRoom.js"
import { spawnOn } from "./spawnOn.js"

type Needs = NodeRegistry | Hives | HiveClient | PoolWorkers | Traffic | Versions | Narrator

/**
 * A worker for a model that somebody asked for and no worker has: on the node that the offer names, or on the first that has room.
 * Where none has, idle workers make room on the first node where that is enough, one after another, those first that did nothing for
 * longest.
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
  let refusals: ReadonlyArray<Refusal> = []
  for (const name of yield* nodesOf(offer)) {
    const tried = yield* trySpawn(name, request)
    if (Either.isRight(tried)) return tried.right
    refusals = [...refusals, tried.left]
  }
  for (let refusal of refusals) {
    const { name } = refusal
    while (isNoMemory(refusal.error) && (yield* tryRoom(name, request, refusal.error))) {
      const tried = yield* trySpawn(name, request)
      if (Either.isRight(tried)) return tried.right
      refusal = tried.left
    }
  }
  const told = refusals.find(({ error }) => isNoMemory(error)) ?? refusals.at(-1)
  return yield* told === undefined ? Effect.dieMessage("there is always a node to try") : Effect.fail(told.error)
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
const isNoRoom = ({ _tag }: RbeeError): boolean => noRoom.has(_tag)

/** A node that has no room, as it is. */
interface Refusal {
  readonly name: NodeName
  readonly error: RbeeError
}

/** Whatever else is wrong with the request would be wrong on every node. */
const trySpawn = (name: NodeName, request: SpawnRequest) =>
  Effect.matchEffect(spawnOn(name, request), {
    onSuccess: (worker) => Effect.succeed(Either.right(worker)),
    onFailure: (error) => (isNoRoom(error) ? Effect.succeed(Either.left<Refusal>({ name, error })) : Effect.fail(error))
  })

/** Where the hive is out of reach by now another node may still do; what is told in the end is that there was no room. */
const tryRoom = (...order: Parameters<typeof makeRoom>) =>
  Effect.catchIf(makeRoom(...order), isNoRoom, () => Effect.succeed(false))
