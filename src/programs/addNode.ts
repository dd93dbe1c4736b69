import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Backend } from "../domain/Device.js"
import type { RegistryUnavailable } from "../domain/errors/Hive.js"
import { NodeAlreadyExists } from "../domain/errors/Hive.js"
import type { SshPreflightError } from "../domain/errors/Phases.js"
import { localhost } from "../domain/Ids.js"
import type { Detection, NewNode, NodeRecord } from "../domain/Node.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { NodeRegistry } from "../services/NodeRegistry.js"
import type { Settings } from "../services/Settings.js"
import { Ssh } from "../services/Ssh.js"
import { probeNode } from "./probeNode.js"

const say = voiceOf("queen-rbee")

/** What is taken for granted of a node that nobody could ask: `setup install` asks again. */
const justCpu: Detection = { backends: ["cpu"], devices: { cpu: 1 } }

/**
 * Adds a node: tests its SSH first, records its host key and shows the fingerprint, asks it what it can compute on, saves only
 * when SSH worked (SSH-1). What the user says of backends and devices counts more than what is detected.
 */
export const addNode: (
  node: NewNode
) => Effect.Effect<
  NodeRecord,
  NodeAlreadyExists | RegistryUnavailable | SshPreflightError,
  NodeRegistry | Ssh | Settings | Narrator
> = Effect.fn("rbee.addNode")(function* (given) {
  const registry = yield* NodeRegistry
  const name = given.node_name
  const known = yield* registry.list
  if (name === localhost || known.some(({ node_name }) => node_name === name)) {
    return yield* new NodeAlreadyExists({ node: name })
  }
  const { defaultsFor } = yield* Ssh
  const defaults = yield* defaultsFor(given.ssh_host)
  const unsaved: NodeRecord = {
    ...given,
    ssh_port: given.ssh_port ?? defaults.port,
    ssh_user: given.ssh_user ?? defaults.user,
    last_connected_unix: null,
    last_error: null,
    status: "unknown",
    ...justCpu
  }
  const probed = yield* probeNode(unsaved, "record-unknown")
  const node: NodeRecord = {
    ...probed.node,
    ...settle(
      given,
      Option.getOrElse(probed.detected, () => justCpu)
    )
  }
  yield* registry.add(node)
  yield* say("💾", `Node ${name} saved`)
  return node
})

/** What was given, completed by what was detected; a backend that only the user knows of has one device. */
const settle = ({ backends, devices }: NewNode, detected: Detection): Detection => {
  const named = backends ?? (devices === undefined ? detected.backends : backendsIn(devices))
  const count = (name: Backend) => detected.devices[name] ?? 1
  return { backends: named, devices: devices ?? Object.fromEntries(named.map((name) => [name, count(name)])) }
}

const backendsIn = (devices: Detection["devices"]) => Object.keys(devices) as Array<Backend> // the schema lets no other key in
