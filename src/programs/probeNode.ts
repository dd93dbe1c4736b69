import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { SshPreflightError } from "../domain/errors/Phases.js"
import type { Detection, NodeRecord } from "../domain/Node.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { Settings } from "../services/Settings.js"
import type { HostKeyPolicy, Ssh } from "../services/Ssh.js"
import { sshPreflight } from "./02a-sshPreflight.js"
import { detectThere } from "./detectBackends.js"

const say = voiceOf("queen-rbee")

/** A node that was just connected to, and what it can compute on: none where no rbee is there to ask. */
export interface Probed {
  readonly node: NodeRecord
  readonly detected: Option.Option<Detection>
}

/**
 * Tests a node's SSH and asks the rbee there what it can compute on. A node without rbee passes, since `setup install` comes
 * next. The record comes back as one of a node that was reached just now.
 */
export const probeNode: (
  node: NodeRecord,
  policy: HostKeyPolicy
) => Effect.Effect<Probed, SshPreflightError, Ssh | Settings | Narrator> = Effect.fn("rbee.probeNode")(
  function* (node, policy) {
    const detected = yield* sshPreflight(node, policy).pipe(
      Effect.flatMap(({ hive_command }) => detectThere(node, hive_command)),
      Effect.scoped,
      Effect.catchTag("HiveBinaryNotFound", () =>
        Effect.as(
          say("📭", `No rbee there yet. Install it: rbee setup install --node ${node.node_name}`),
          Option.none<Detection>()
        )
      )
    )
    const last_connected_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    return { node: { ...node, status: "reachable", last_connected_unix, last_error: null }, detected }
  }
)
