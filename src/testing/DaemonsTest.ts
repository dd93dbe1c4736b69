/** Queens and hives as processes in memory. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type DaemonRole, Daemons, type RunningDaemon, type StartOptions } from "../services/Daemons.js"
import { Processes } from "../services/Processes.js"
import { makeJournal } from "./journal.js"
import { ProcessesTest } from "./ProcessesTest.js"

/** How starts go; by default they do. */
export interface DaemonsTestOptions {
  /** Why a daemon does not come up. */
  readonly fault?: (role: DaemonRole) => string | null
  /** Where it listens; by default a queen on 18080 and a hive on 19200. */
  readonly port?: (role: DaemonRole) => number
}

/** What happened, in order. */
export type DaemonEvent =
  | { readonly _tag: "started"; readonly role: DaemonRole; readonly pid: number; readonly options: StartOptions }
  | { readonly _tag: "failed"; readonly role: DaemonRole }

/** The tests' side of {@link Daemons}. */
export class DaemonsTest extends Context.Tag("rbee/DaemonsTest")<
  DaemonsTest,
  {
    readonly journal: Effect.Effect<ReadonlyArray<DaemonEvent>>
    /** A daemon that runs already, as it recorded itself. */
    readonly recorded: (role: DaemonRole, daemon: RunningDaemon) => Effect.Effect<void>
    /** Ends the daemons that listen on that port, as their own shutdown does. */
    readonly endAt: (port: number) => Effect.Effect<void>
  }
>() {
  /** The double; its daemons are processes of {@link ProcessesTest}. */
  static readonly layer = (
    options: DaemonsTestOptions = {}
  ): Layer.Layer<Daemons | DaemonsTest, never, Processes | ProcessesTest> =>
    Layer.effectContext(
      Effect.map(Effect.all([Processes, ProcessesTest]), ([processes, control]) => make(options, processes, control))
    )
}

/** The one that it is told to listen on; on its own machine alone otherwise. */
const hostOf = ({ args }: StartOptions) => args.find((_, n) => args[n - 1] === "--host") ?? "127.0.0.1"

const usual_port = (role: DaemonRole) => (role === "queen" ? 18_080 : 19_200)

const make = (
  { fault = () => null, port: portOf = usual_port }: DaemonsTestOptions,
  processes: Processes["Type"],
  { begin, end }: ProcessesTest["Type"]
) => {
  const records = new Map<DaemonRole, RunningDaemon>()
  const started: Array<RunningDaemon> = []
  const { note, entries } = makeJournal<DaemonEvent>()

  const daemons = Daemons.of({
    start: Effect.fn("Daemons.start")(function* (role, options) {
      const reason = fault(role)
      if (reason !== null) {
        yield* note({ _tag: "failed", role })
        return yield* Effect.fail({ reason })
      }
      const { identity, exit } = yield* begin()
      const daemon = { identity, host: hostOf(options), port: portOf(role), token: options.token }
      started.push(daemon)
      if (!options.attached) records.set(role, daemon)
      yield* note({ _tag: "started", role, pid: identity.pid, options })
      return { ...daemon, exit }
    }),
    running: Effect.fn("Daemons.running")(function* (role) {
      const record = Option.fromNullable(records.get(role))
      if (Option.isNone(record) || (yield* processes.isAlive(record.value.identity))) return record
      records.delete(role)
      return Option.none()
    }),
    record: Effect.fn("Daemons.record")(function* (role, listening) {
      const { identity } = yield* begin()
      records.set(role, { identity, ...listening })
    }),
    forget: (role, identity) =>
      Effect.sync(() => {
        if (Equal.equals(records.get(role)?.identity, identity)) records.delete(role)
      })
  })
  const control = DaemonsTest.of({
    journal: entries,
    recorded: (role, daemon) => Effect.sync(() => void records.set(role, daemon)),
    endAt: (port) =>
      Effect.forEach(
        started.filter((daemon) => daemon.port === port),
        ({ identity }) => end(identity.pid, { code: 0, signal: null }),
        { discard: true }
      )
  })
  return Context.make(Daemons, daemons).pipe(Context.add(DaemonsTest, control))
}
