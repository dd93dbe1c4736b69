import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { ErrorEvent } from "../domain/errors/Envelope.js"
import { LogNotFound } from "../domain/errors/Hive.js"
import type { RbeeError } from "../domain/errors/index.js"
import { SshCommandFailed } from "../domain/errors/Ssh.js"
import type { NodeName } from "../domain/Ids.js"
import { LogEvent, type LogRequest } from "../domain/Log.js"
import { isLocal, type NodeRecord } from "../domain/Node.js"
import type { Logs } from "../services/Logs.js"
import type { Narrator } from "../services/Narrator.js"
import type { NodeRegistry } from "../services/NodeRegistry.js"
import type { Settings } from "../services/Settings.js"
import { Ssh } from "../services/Ssh.js"
import { loadRegistry } from "./00-loadRegistry.js"
import { findHive } from "./02a-sshPreflight.js"
import { readLogs } from "./readLogs.js"

/**
 * A log of a node: this machine's own, or what `rbee-hive logs` prints there. It needs the node's SSH and rbee's program on
 * it, and no hive that runs: logs are what is looked at when that does not answer. Whoever stops reading ends that command.
 */
export const nodeLogs = (
  name: NodeName,
  request: LogRequest
): Stream.Stream<LogEvent, RbeeError, NodeRegistry | Ssh | Settings | Logs | Narrator> =>
  Stream.unwrapScoped(
    Effect.gen(function* () {
      const node = yield* loadRegistry(name)
      if (isLocal(node)) return readLogs(request)
      const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
      const { hive_command } = yield* findHive(node, session)
      return Stream.mapEffect(session.lines([hive_command, "logs", "--attached", ...flagsOf(request)]), readEvent(node))
    }).pipe(Effect.withSpan("rbee.nodeLogs"))
  )

const flagsOf = ({ worker, lines, follow }: LogRequest): ReadonlyArray<string> => [
  ...["--lines", `${lines}`],
  ...(worker === null ? [] : ["--worker", worker]),
  ...(follow ? ["--follow"] : [])
]

const decodeEvent = Schema.decodeUnknown(Schema.parseJson(Schema.Union(LogEvent, ErrorEvent)))

/** What the command says of itself is a failure; it knows its own machine as localhost. */
const readEvent = ({ node_name: node }: NodeRecord) =>
  Effect.fnUntraced(function* (line: string) {
    const event = yield* Effect.mapError(
      decodeEvent(line),
      () =>
        new SshCommandFailed({ node, exit_code: null, reason: `not a line of "rbee-hive logs": ${line.slice(0, 80)}` })
    )
    if (event.type === "log") return event
    const { error } = event
    return yield* Effect.fail(error._tag === "LogNotFound" ? new LogNotFound({ ...error, node }) : error)
  })
