/** The hives that this queen holds: a connection each, its lease kept, its workers watched. */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { describe } from "../../domain/errors/Catalogue.js"
import type { ConnectHiveError } from "../../domain/errors/Phases.js"
import { TunnelFailed } from "../../domain/errors/Ssh.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { HiveConnection, HiveEvent, Lease } from "../../domain/Hive.js"
import { type NodeName, WorkerId } from "../../domain/Ids.js"
import { isLocal, type NodeRecord } from "../../domain/Node.js"
import { sshPreflight } from "../../programs/02a-sshPreflight.js"
import { startHive } from "../../programs/02b-startHive.js"
import { stopAll } from "../../programs/14-cascadeShutdown.js"
import { Daemons } from "../../services/Daemons.js"
import { HiveClient } from "../../services/HiveClient.js"
import { Hives } from "../../services/Hives.js"
import type { Installation } from "../../services/Installation.js"
import { Narrator, report, voiceOf } from "../../services/Narrator.js"
import { NodeRegistry } from "../../services/NodeRegistry.js"
import type { Processes, Stopped } from "../../services/Processes.js"
import { Settings } from "../../services/Settings.js"
import { Ssh } from "../../services/Ssh.js"
import type { Tokens } from "../../services/Tokens.js"
import { PoolWorkers } from "../../services/WorkerRegistry.js"
import { logged } from "../reporting.js"

const say = voiceOf("queen-rbee")

/** A hive in our hands, and the scope that its tunnel and its watchers live in. */
interface Held {
  readonly node: NodeRecord
  readonly connection: HiveConnection
  /** How rbee is called there; null on this machine. */
  readonly hive_command: string | null
  readonly scope: Scope.CloseableScope
  /** The node's ports that are reached through a tunnel already. */
  readonly tunnels: Ref.Ref<HashMap.HashMap<number, number>>
}

/** Giving all hives up: phase 14 on the queen's side. */
export class HiveKeeping extends Context.Tag("rbee/queen/HiveKeeping")<
  HiveKeeping,
  { readonly releaseAll: Effect.Effect<void, never, Narrator> }
>() {}

const make = (lease: Lease) =>
  Effect.gen(function* () {
    const client = yield* HiveClient
    const daemons = yield* Daemons
    const ssh = yield* Ssh
    const pool = yield* PoolWorkers
    const registry = yield* NodeRegistry
    const { timeouts } = yield* Settings
    const context = yield* Effect.context<
      Ssh | Processes | Installation | HiveClient | Tokens | Settings | NodeRegistry
    >()
    const held = yield* Ref.make(HashMap.empty<NodeName, Held>())
    const closing = yield* Ref.make(false)
    const locks = yield* Ref.make(HashMap.empty<NodeName, Effect.Semaphore>())

    /** One at a time for each node: two requests for one node must not start two hives. */
    const alone =
      (name: NodeName) =>
      <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        Effect.flatMap(
          Ref.modify(locks, (all) => {
            const lock = Option.getOrElse(HashMap.get(all, name), () => Effect.unsafeMakeSemaphore(1))
            return [lock, HashMap.set(all, name, lock)]
          }),
          (lock) => lock.withPermits(1)(work)
        )

    /** Keeps a node's workers in the pool's table, as its hive tells of them. */
    const noteEvent = (node: NodeName) => (event: HiveEvent) => {
      switch (event.type) {
        case "workers":
          return pool.replace(
            node,
            event.workers.map((worker) => ({ ...worker, node }))
          )
        case "worker":
          return pool.put({ ...event.worker, node })
        case "worker_gone":
          return pool.remove(WorkerId.make(event.id))
        default:
          return Effect.void
      }
    }

    const drop = Effect.fnUntraced(function* (hive: Held) {
      const name = hive.node.node_name
      // A successor that is held by now stays.
      const isHeld = yield* Ref.modify(held, (all) =>
        Option.contains(HashMap.get(all, name), hive) ? [true, HashMap.remove(all, name)] : [false, all]
      )
      if (isHeld) yield* pool.replace(name, [])
      yield* Scope.close(hive.scope, Exit.void)
    })

    /** Watches the hive and renews its lease. When it is lost it is dropped: the next request connects anew. */
    const keep = Effect.fnUntraced(function* (hive: Held) {
      const { address } = hive.connection
      const name = hive.node.node_name
      const watching = Stream.runForEach(client.events(address), noteEvent(name))
      const renewing = Effect.repeat(client.renewLease(address, lease), Schedule.spaced(timeouts.heartbeat))
      yield* Effect.raceFirst(watching, renewing).pipe(
        Effect.matchEffect({
          onFailure: (error) => Effect.logWarning(`lost the hive on ${name}: ${describe(error).message}`),
          onSuccess: () => Effect.logInfo(`the hive on ${name} has closed its events`)
        }),
        Effect.interruptible, // forked where interruption is off: the loser of the race would be waited for, a heartbeat long
        Effect.zipRight(drop(hive)),
        Effect.forkDaemon // it closes the scope that it would live in
      )
    })

    /**
     * Phases 2a and 2b. Once the hive is asked to start it is seen through until it is held, whatever becomes of the request:
     * a hive that nobody holds is one that nobody stops. Every step of that ends within its own deadline.
     */
    const connect = Effect.fnUntraced(function* (node: NodeRecord) {
      const scope = yield* Scope.make()
      const command = isLocal(node) ? Effect.succeed(null) : Effect.map(sshPreflight(node), (ssh) => ssh.hive_command)
      const started = (hive_command: string | null) =>
        Effect.gen(function* () {
          const connection = yield* startHive(node, hive_command)
          yield* client.renewLease(connection.address, lease)
          const hive = {
            node,
            connection,
            hive_command,
            scope,
            tunnels: yield* Ref.make(HashMap.empty<number, number>())
          }
          yield* Ref.update(held, HashMap.set(node.node_name, hive))
          yield* keep(hive)
          return connection
        })
      return yield* Effect.flatMap(command, (found) => Effect.uninterruptible(started(found))).pipe(
        Scope.extend(scope),
        Effect.provide(context),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    })

    const find = (name: NodeName) => Effect.map(Ref.get(held), HashMap.get(name))

    const note = (node: NodeRecord, problem: string | null) =>
      isLocal(node) ? Effect.void : Effect.ignoreLogged(registry.noteContact(node.node_name, problem))

    const release = Effect.fnUntraced(function* (hive: Held) {
      const { address } = hive.connection
      const last = yield* client.releaseLease(address, lease.queen_id).pipe(
        Stream.tap((event) => (event.type === "narration" ? report(event) : Effect.void)),
        Stream.runLast,
        Effect.tapError((error) =>
          say("⚠️", `The hive on ${address.node} could not be told to stop: ${describe(error).message}`)
        ),
        Effect.option
      )
      const stopping = Option.exists(Option.flatten(last), (event) => event.type === "released" && event.stopping)
      if (stopping) yield* gone(hive)
      yield* drop(hive)
      const how: Stopped = "stopped"
      return how
    })

    /**
     * Waits until the hive's process is gone: it is stopped when that is measured, not when it was asked to stop. Here its
     * record tells; on a node `hive stop` looks, and ends what would not go.
     */
    const gone = ({ node, hive_command, scope }: Held) =>
      hive_command === null
        ? daemons
            .running("hive")
            .pipe(
              Effect.repeat({ until: Option.isNone, schedule: Schedule.spaced("20 millis") }),
              Effect.interruptible,
              Effect.timeoutOption(Duration.sum(timeouts.drain, Duration.seconds(2)))
            )
        : ssh.session(node, "refuse-unknown").pipe(
            Effect.flatMap((session) => session.exec([hive_command, "stop"])),
            Scope.extend(scope),
            Effect.catchAll((error) =>
              say("⚠️", `The end of the hive on ${node.node_name} could not be seen: ${describe(error).message}`)
            )
          )

    /** Waits for the ones that are just being started: they are to go as well. */
    const releaseAll = Effect.gen(function* () {
      yield* Ref.set(closing, true)
      const names = [...HashMap.keys(yield* Ref.get(locks))]
      const hives = yield* Effect.forEach(names, (name) => alone(name)(find(name)), { concurrency: "unbounded" })
      yield* stopAll(
        "queen-rbee",
        "hive",
        Arr.getSomes(hives).map((hive) => ({ name: `The hive on ${hive.node.node_name}`, stop: release(hive) }))
      )
    }).pipe(Effect.withSpan("rbee.releaseHives"))

    yield* Effect.addFinalizer(() => Effect.provideService(releaseAll, Narrator, logged))

    const hives = Hives.of({
      connect: (node) =>
        Effect.gen(function* () {
          if (yield* Ref.get(closing)) return yield* new WorkerDraining()
          const known = yield* find(node.node_name)
          if (Option.isSome(known)) return known.value.connection
          const connection = yield* Effect.tapError(connect(node), (error: ConnectHiveError) =>
            note(node, describe(error).message)
          )
          yield* note(node, null)
          return connection
        }).pipe(alone(node.node_name)),
      reach: (node, url) =>
        Effect.gen(function* () {
          const hive = yield* find(node.node_name)
          if (isLocal(node) || Option.isNone(hive)) return url
          const port = Number(new URL(url).port)
          const known = HashMap.get(yield* Ref.get(hive.value.tunnels), port)
          if (Option.isSome(known)) return `http://127.0.0.1:${known.value}`
          const local = yield* openTunnel(hive.value, port)
          yield* Ref.update(hive.value.tunnels, HashMap.set(port, local))
          return `http://127.0.0.1:${local}`
        })
    })

    /** A tunnel that lives as long as the hive is held. */
    const openTunnel = (hive: Held, port: number) =>
      ssh.session(hive.node, "refuse-unknown").pipe(
        Effect.mapError(
          (error) => new TunnelFailed({ node: hive.node.node_name, port, reason: describe(error).message })
        ),
        Effect.flatMap((session) => session.forward(port)),
        Scope.extend(hive.scope)
      )

    return Context.make(Hives, hives).pipe(Context.add(HiveKeeping, { releaseAll }))
  })

/** The hives of one queen, which claims them with that lease. */
export const hivesLive = (
  lease: Lease
): Layer.Layer<
  Hives | HiveKeeping,
  never,
  Daemons | HiveClient | Ssh | PoolWorkers | NodeRegistry | Settings | Processes | Installation | Tokens
> => Layer.scopedContext(make(lease))
