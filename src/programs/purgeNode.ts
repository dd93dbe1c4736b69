import * as Effect from "effect/Effect"
import type { InstallError } from "../domain/errors/Phases.js"
import type { NodeRecord } from "../domain/Node.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import type { Packager } from "../services/Packager.js"
import { Ssh } from "../services/Ssh.js"
import { lookAt, runInstaller } from "./runInstaller.js"

const say = voiceOf("queen-rbee")

/**
 * Takes off a node what `install` put there, its hive being stopped first. What rbee did not put there is refused; what is gone
 * already is no error. What a hive wrote into its home stays, which is said.
 */
export const purgeNode: (node: NodeRecord) => Effect.Effect<void, InstallError, Ssh | Packager | Hives | Narrator> =
  Effect.fn("rbee.purgeNode")(function* (node) {
    const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
    const { path } = yield* lookAt(node, session)
    yield* Effect.flatMap(Hives, (hives) => hives.release(node.node_name))
    const request = { action: "purge" as const, node: node.node_name, path: node.install_path }
    const { changed } = yield* runInstaller(node, session, request, () => Effect.void) // it asks for nothing
    yield* changed
      ? say("🧹", `rbee is off ${node.node_name}: ${path} was removed`)
      : say("🧹", `There was no rbee to remove on ${node.node_name}`)
    yield* say("📁", `What its hive wrote stays there: models and logs in ~/.rbee`)
  }, Effect.scoped)
