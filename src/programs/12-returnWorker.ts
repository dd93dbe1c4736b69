import * as Effect from "effect/Effect"
import type { TunnelFailed } from "../domain/errors/Ssh.js"
import type { NodeRecord } from "../domain/Node.js"
import type { TaskWorker } from "../domain/Task.js"
import type { WorkerHandle } from "../domain/Worker.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"

const say = voiceOf("queen-rbee")

/** Phase 12: the worker as the keeper can reach it, with the key that opens it. */
export const returnWorker: (
  node: NodeRecord,
  handle: WorkerHandle,
  reused: boolean
) => Effect.Effect<TaskWorker, TunnelFailed, Hives | Narrator> = Effect.fn("rbee.phase.returnWorker")(function* (
  node,
  { worker, api_key },
  reused
) {
  const hives = yield* Hives
  const worker_url = yield* hives.reach(node, worker.url)
  yield* say("🤝", `Worker ${worker.id} on ${node.node_name} is yours`)
  return {
    worker_id: worker.id,
    worker_url,
    worker_api_key: api_key,
    node: node.node_name,
    backend: worker.backend,
    device: worker.device,
    reused
  }
})
