/** The work of `rbee setup update-node`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { InvalidRequest } from "../../domain/errors/Request.js"
import { NodeChanges, NodeRecord } from "../../domain/Node.js"
import type { UpdateNodeFlags } from "../commands/setup.js"
import { runKeeper } from "../keeper.js"
import { invalid } from "../render/issues.js"
import { toStdout } from "../render/terminal.js"
import { follow, readKey, readName, someQueen } from "./nodes.js"

/** Changes a node, through the running queen or one of our own. */
export const run = (flags: UpdateNodeFlags) =>
  runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const name = yield* readName(flags.name)
        const changes = yield* readChanges(flags)
        const { queen, client } = yield* someQueen
        yield* follow(client.updateNode(queen, name, changes), (changed) =>
          flags.json ? toStdout(`${encodeNode(changed)}\n`) : Effect.void
        )
      })
    ),
    { telling: flags.json ? "quiet" : "human", node: flags.name }
  )

const encodeNode = Schema.encodeSync(Schema.parseJson(NodeRecord))

const readChanges = Effect.fnUntraced(function* (flags: UpdateNodeFlags) {
  const key = yield* Effect.transposeMapOption(flags.sshKey, (path) =>
    path === "" ? Effect.succeed(null) : readKey(path)
  )
  const given = {
    ssh_host: flags.sshHost,
    ssh_port: flags.sshPort,
    ssh_user: flags.sshUser,
    ssh_key_path: key,
    git_repo_url: flags.gitRepo,
    git_branch: flags.gitBranch,
    install_path: flags.installPath,
    transport: flags.transport,
    accept_host_key: flags.acceptHostKey
  }
  const changes = Object.entries<Option.Option<unknown>>(given).flatMap(([field, value]) =>
    Option.isSome(value) ? [[field, value.value]] : []
  )
  if (changes.length === 0) {
    return yield* new InvalidRequest({
      issues: ["nothing to change: name what is to be different (--help shows the flags)"]
    })
  }
  return yield* Effect.mapError(
    Schema.decodeUnknown(NodeChanges, { errors: "all" })(Object.fromEntries(changes)),
    invalid
  )
})
