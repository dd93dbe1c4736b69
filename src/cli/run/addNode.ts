/** The work of `rbee setup add-node`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { NewNode, NodeRecord } from "../../domain/Node.js"
import type { AddNodeFlags } from "../commands/setup.js"
import { runKeeper } from "../keeper.js"
import { invalid } from "../render/issues.js"
import { toStdout } from "../render/terminal.js"
import { follow, readKey, someQueen } from "./nodes.js"

/** Adds a node, through the running queen or one of our own. */
export const run = (flags: AddNodeFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const node = yield* readNode(flags)
        const { queen, client } = yield* someQueen
        yield* follow(client.addNode(queen, node), (added) =>
          flags.json ? toStdout(`${encodeNode(added)}\n`) : Effect.void
        )
      })
    ),
    { telling: flags.json ? "quiet" : "human", node: flags.name }
  )

const encodeNode = Schema.encodeSync(Schema.parseJson(NodeRecord))

const readNode = Effect.fnUntraced(function* (flags: AddNodeFlags) {
  const key = yield* Effect.transposeMapOption(flags.sshKey, readKey)
  return yield* Effect.mapError(
    Schema.decodeUnknown(NewNode, { errors: "all" })({
      node_name: flags.name,
      ssh_host: flags.sshHost,
      ssh_port: Option.getOrNull(flags.sshPort),
      ssh_user: Option.getOrNull(flags.sshUser),
      ssh_key_path: Option.getOrNull(key),
      git_repo_url: Option.getOrNull(flags.gitRepo),
      git_branch: flags.gitBranch,
      install_path: Option.getOrUndefined(flags.installPath),
      transport: flags.transport
    }),
    invalid
  )
})
