/** The work of `rbee hive status`. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { localUrl } from "../../domain/Address.js"
import { localhost } from "../../domain/Ids.js"
import { WorkerInfo } from "../../domain/Worker.js"
import { Daemons, type RunningDaemon } from "../../services/Daemons.js"
import { HiveClient } from "../../services/HiveClient.js"
import { Reported } from "../exit.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"

/** What is known of this machine's hive. `version` is null where its process runs and does not answer. */
const HiveStatus = Schema.Struct({
  alive: Schema.Boolean,
  pid: Schema.NullOr(Schema.Int),
  port: Schema.NullOr(Schema.Int),
  version: Schema.NullOr(Schema.String),
  workers: Schema.Array(WorkerInfo)
})
type HiveStatus = typeof HiveStatus.Type

/** Tells whether a hive of this home folder runs and answers, and its workers; exit code 1 where none does. */
export const run = ({ json }: { readonly json: boolean }) =>
  runKeeper(
    Effect.gen(function* () {
      const running = yield* Effect.flatMap(Daemons, (daemons) => daemons.running("hive"))
      const status = yield* Option.match(running, { onNone: () => Effect.succeed(none), onSome: ask })
      yield* toStdout(json ? `${encodeStatus(status)}\n` : statusText(status))
      return status.alive
    }),
    { telling: "quiet" }
  ).pipe(
    Effect.filterOrFail(
      (alive) => alive,
      () => new Reported({ code: 1 })
    )
  )

const encodeStatus = Schema.encodeSync(Schema.parseJson(HiveStatus))

const none: HiveStatus = { alive: false, pid: null, port: null, version: null, workers: [] }

const ask = Effect.fnUntraced(function* ({ identity: { pid }, host, port, token }: RunningDaemon) {
  const client = yield* HiveClient
  const key = Option.getOrElse(token, () => Redacted.make(""))
  const address = { node: localhost, url: localUrl(host, port), token: key }
  const answer = yield* Effect.option(Effect.all([client.health(address), client.workers(address)]))
  return Option.match(answer, {
    onNone: (): HiveStatus => ({ ...none, pid, port }),
    onSome: ([{ version }, workers]): HiveStatus => ({ alive: true, pid, port, version, workers })
  })
})

const statusText = ({ alive, pid, port, version, workers }: HiveStatus): string => {
  if (pid === null) return "No hive runs here. Queens start it by themselves; to run one: rbee hive serve\n"
  if (!alive) return `A hive runs (pid ${pid}) and does not answer on port ${port}. End it: rbee hive stop\n`
  return [
    `rbee-hive ${version} is alive on port ${port} (pid ${pid})`,
    ...(workers.length === 0 ? ["  no workers"] : workers.map(workerLine)),
    ""
  ].join("\n")
}

const workerLine = ({ id, state, model_ref, backend, device, slots_available, slots_total }: WorkerInfo) =>
  `  ${id}  ${state}  ${model_ref} on ${backend}:${device}, ${slots_available} of ${slots_total} slots free`
