/** The work of `rbee setup add-node`. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { SshKeyNotFound } from "../../domain/errors/Ssh.js"
import { NewNode, NodeRecord } from "../../domain/Node.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { report } from "../../services/Narrator.js"
import { QueenClient } from "../../services/QueenClient.js"
import type { AddNodeFlags } from "../commands/setup.js"
import { runKeeper } from "../keeper.js"
import { invalid } from "../render/issues.js"
import { toStdout } from "../render/terminal.js"

/** Adds a node, through the running queen or one of our own. */
export const run = (flags: AddNodeFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const node = yield* readNode(flags)
        const queen = yield* findQueen(false)
        const client = yield* QueenClient
        yield* Stream.runForEach(client.addNode(queen, node), (event) => {
          if ("type" in event) return report(event)
          return flags.json ? toStdout(`${JSON.stringify(Schema.encodeSync(NodeRecord)(event))}\n`) : Effect.void
        })
      })
    ),
    { telling: flags.json ? "quiet" : "human", node: flags.name }
  )

const readNode = Effect.fnUntraced(function* (flags: AddNodeFlags) {
  // Refused before the queen is asked (SSH-8). A path below ~ is the queen's to resolve: it runs as the same user.
  const key = Option.map(flags.sshKey, (path) => (path.startsWith("~/") ? path : Path.resolve(path)))
  if (Option.isSome(key) && key.value.startsWith("/") && !Fs.existsSync(key.value)) {
    return yield* new SshKeyNotFound({ path: key.value })
  }
  return yield* Effect.mapError(
    Schema.decodeUnknown(NewNode, { errors: "all" })({
      node_name: flags.name,
      ssh_host: flags.sshHost,
      ssh_port: flags.sshPort,
      ssh_user: flags.sshUser,
      ssh_key_path: Option.getOrNull(key),
      git_repo_url: flags.gitRepo,
      git_branch: flags.gitBranch,
      install_path: flags.installPath
    }),
    invalid
  )
})
