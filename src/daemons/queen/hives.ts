/** The hives that this queen holds: one a node, its lease kept, its workers known, its link made anew when it is lost. */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { localUrl } from "../../domain/Address.js"
import { type Contact, contactFailed, contactMade } from "../../domain/Contact.js"
import { describe } from "../../domain/errors/Catalogue.js"
import type { HiveClaimed } from "../../domain/errors/Hive.js"
import type { ConnectHiveError } from "../../domain/errors/Phases.js"
import { WorkerDraining } from "../../domain/errors/Worker.js"
import type { HiveConnection, Lease } from "../../domain/Hive.js"
import type { NodeName } from "../../domain/Ids.js"
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
import type { Processes } from "../../services/Processes.js"
import { Settings } from "../../services/Settings.js"
import { Ssh } from "../../services/Ssh.js"
import type { Tokens } from "../../services/Tokens.js"
import { PoolWorkers } from "../../services/WorkerRegistry.js"
import { logged } from "../reporting.js"
import { goneHere, goneThere } from "./hiveEnd.js"
import { noteEvent } from "./poolEvents.js"

const say = voiceOf("queen-rbee")

/** How we stand with a hive: its link is up, or lost for now; or another queen has claimed it, and we look after it no more. */
type Standing = "up" | "lost" | HiveClaimed

/** A hive in our hands, and the scope that its tunnels live in. */
interface Held {
  readonly node: NodeRecord
  readonly connection: HiveConnection
  /** How rbee is called there; null on this machine. */
  readonly hive_command: string | null
  readonly scope: Scope.CloseableScope
  /** Watches the hive and renews its lease. */
  readonly keeper: Fiber.Fiber<void>
  readonly standing: Ref.Ref<Standing>
  /** The node's ports that are reached through a tunnel already. */
  readonly tunnels: Ref.Ref<HashMap.HashMap<number, number>>
}

/** Giving all hives up: phase 14 on the queen's side. */
export class HiveKeeping extends Context.Tag("rbee/queen/HiveKeeping")<
  HiveKeeping,
  { readonly releaseAll: Effect.Effect<void, never, Narrator> }
>() {}

/** The network's own errors: they pass. */
const atFault: ReadonlySet<ConnectHiveError["_tag"]> = new Set([
  "SshConnectionTimeout",
  "SshConnectionRefused",
  "SshHostUnknown",
  "SshCommandFailed"
])

/** What a hive may need to tell of its end, once its own time is over. */
const told = Duration.seconds(2)

/** The hive has ended its events by itself: it drains. */
class Closed extends Data.TaggedError("Closed")<{}> {}
const closed = new Closed()

/** How a lost link is tried again: after 0.2 s, 0.4 s, … at most every 3 s, so that a healed one is back within 10 s. */
const untilBack = Schedule.jittered(Schedule.union(Schedule.exponential("200 millis"), Schedule.spaced("3 seconds")))

const make = (lease: Lease) =>
  Effect.gen(function* () {
    const client = yield* HiveClient
    const daemons = yield* Daemons
    const ssh = yield* Ssh
    const pool = yield* PoolWorkers
    const registry = yield* NodeRegistry
    const { timeouts } = yield* Settings
    const context = yield* Effect.context<
      Ssh | Processes | Installation | HiveClient | Tokens | Settings | NodeRegistry | Daemons
    >()
    const held = yield* Ref.make(HashMap.empty<NodeName, Held>())
    const closing = yield* Ref.make(false)
    const releasing = yield* Effect.makeSemaphore(1)
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

    const find = (name: NodeName) => Effect.map(Ref.get(held), HashMap.get(name))

    const note = (node: NodeRecord, contact: Contact) =>
      isLocal(node) ? Effect.void : Effect.ignoreLogged(registry.noteContact(node.node_name, contact))

    /** Lets go of a hive that is given up or gone. A successor that is held by now stays. */
    const drop = Effect.fnUntraced(function* (name: NodeName, scope: Scope.CloseableScope) {
      const isHeld = yield* Ref.modify(held, (all) =>
        Option.exists(HashMap.get(all, name), (hive) => hive.scope === scope)
          ? [true, HashMap.remove(all, name)]
          : [false, all]
      )
      if (isHeld) yield* pool.replace(name, [])
      yield* Scope.close(scope, Exit.void)
    })

    /** Watches the hive and renews its lease until either fails; why. */
    const watch = Effect.fnUntraced(function* (node: NodeRecord, { address }: HiveConnection) {
      const renew = client.renewLease(address, lease)
      // Whether another one's claim ends ours is for the hive to say.
      const watching = Stream.runForEach(client.events(address), (event) =>
        event.type === "claimed" && event.queen_id !== lease.queen_id ? renew : noteEvent(pool, node.node_name, event)
      )
      // Three times within the lease, also where it is set to be shorter than a heartbeat.
      const often = Duration.min(timeouts.heartbeat, Duration.seconds((lease.ttl_s ?? Number.POSITIVE_INFINITY) / 3))
      const renewing = Effect.forever(Effect.zipRight(renew, Effect.sleep(often)))
      return yield* Effect.flip(Effect.raceFirst(Effect.zipRight(watching, Effect.fail(closed)), renewing))
    })

    /** Fails where the machine does not answer: a connection that is there may be a dead one still. */
    const machineAnswers = (node: NodeRecord) =>
      isLocal(node)
        ? Effect.void
        : Effect.scoped(
            Effect.flatMap(ssh.session(node, "refuse-unknown"), (session) => Effect.asVoid(session.exec(["true"])))
          )

    /** Whether the hive answers, once its machine does. Only one that is silent between two signs of its machine is gone. */
    const answers = Effect.fnUntraced(function* (node: NodeRecord, { address }: HiveConnection) {
      yield* machineAnswers(node)
      const well = Option.isSome(yield* Effect.option(client.health(address)))
      if (!well) yield* machineAnswers(node)
      return well
    })

    /**
     * The life of a held hive. A lost link is no lost hive: its workers go on, so the link is made anew for as long as it takes.
     * A machine that answers without its hive has none any more: then it is dropped, and the next request starts one.
     */
    const keep = Effect.fnUntraced(function* (
      node: NodeRecord,
      connection: HiveConnection,
      scope: Scope.CloseableScope,
      standing: Ref.Ref<Standing>
    ) {
      const name = node.node_name
      const again = Effect.gen(function* () {
        const failure = yield* watch(node, connection)
        if (failure._tag === "HiveClaimed") {
          yield* Ref.set(standing, failure)
          yield* pool.replace(name, [])
          yield* note(node, contactFailed(failure))
          yield* Effect.logWarning(describe(failure).message)
          return "claimed"
        }
        const problem = failure._tag === "Closed" ? "it has closed its events" : describe(failure).message
        yield* Ref.set(standing, "lost")
        yield* note(node, { reached: false, problem })
        yield* Effect.logWarning(`lost the hive on ${name}: ${problem}`)
        const back = yield* answers(node, connection).pipe(
          Effect.tapBoth({
            onFailure: (error) => note(node, contactFailed(error)),
            onSuccess: () => note(node, contactMade)
          }),
          Effect.retry({ schedule: untilBack, while: ({ _tag }) => atFault.has(_tag) }),
          Effect.orElseSucceed(() => false) // another machine's key, or ours no longer welcome: no hive of ours
        )
        if (!back) return "gone"
        yield* Ref.set(standing, "up")
        yield* Effect.logInfo(`the hive on ${name} is back`)
        return "back"
      })
      const end = yield* Effect.repeat(again, { while: (how) => how === "back" })
      // What streams through our tunnels goes on: the scope stays.
      if (end === "claimed") return
      yield* Effect.logWarning(`the hive on ${name} is gone`)
      yield* drop(name, scope)
    })

    /** Phase 2b, and our claim to what it gives. One that ran already and is gone by then was on its way out. */
    const claim = Effect.fnUntraced(function* (node: NodeRecord, hive_command: string | null) {
      const connection = yield* startHive(node, hive_command)
      yield* Effect.catchTag(client.claim(connection.address, lease), "HiveUnreachable", (error) =>
        Effect.fail(connection.started ? error : new WorkerDraining())
      )
      return connection
    })

    /**
     * Phase 2b, in a fiber of the queen's own: once the hive is asked to start it is seen through until it is held, whatever
     * becomes of the request, since a hive that nobody holds is one that nobody stops. Every step ends within its deadline.
     */
    const begin = Effect.fnUntraced(function* (node: NodeRecord, hive_command: string | null) {
      const name = node.node_name
      const known = yield* find(name)
      if (Option.isSome(known)) return known.value.connection
      if (yield* Ref.get(closing)) return yield* new WorkerDraining()
      const scope = yield* Scope.make()
      const starting = Effect.gen(function* () {
        const connection = yield* claim(node, hive_command)
        const standing = yield* Ref.make<Standing>("up")
        const keeper = yield* Effect.forkDaemon(keep(node, connection, scope, standing)) // it closes the scope that it would live in
        const tunnels = yield* Ref.make(HashMap.empty<number, number>())
        const hive: Held = { node, connection, hive_command, scope, keeper, standing, tunnels }
        yield* Ref.update(held, HashMap.set(name, hive))
        return connection
      })
      return yield* starting.pipe(
        Scope.extend(scope),
        Effect.provide(context),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
      )
    })

    /** A hive that another queen let go of just now answers still, or is gone a moment later: its successor is waited for. */
    const beginOnceFree = (node: NodeRecord, hive_command: string | null) =>
      Effect.retry(begin(node, hive_command), {
        schedule: Schedule.upTo(Schedule.spaced("500 millis"), Duration.sum(timeouts.drain, Duration.seconds(5))),
        while: ({ _tag }) =>
          Effect.map(
            Ref.get(closing),
            (isClosing) => !isClosing && (_tag === "WorkerDraining" || (isLocal(node) && _tag === "HiveUnreachable"))
          )
      })

    /** A hive whose link is down just now is asked at once, so that a request knows where it stands. */
    const connect = Effect.fnUntraced(function* (node: NodeRecord) {
      const known = yield* find(node.node_name)
      if (Option.isSome(known)) {
        const { connection, scope } = known.value
        const standing = yield* Ref.get(known.value.standing)
        if (standing === "up") return connection
        if (standing !== "lost") return yield* standing
        yield* say("⏳", `The link to ${node.node_name} is lost: trying it again`)
        if (yield* answers(node, connection)) return connection
        yield* drop(node.node_name, scope)
      }
      const hive_command = isLocal(node)
        ? null
        : (yield* Effect.scoped(Effect.provide(sshPreflight(node), context))).hive_command
      const starting = yield* beginOnceFree(node, hive_command).pipe(
        alone(node.node_name),
        Effect.interruptible,
        Effect.forkDaemon
      )
      return yield* Fiber.join(starting)
    })

    /** Whether a hive answers on this machine that nobody asked us to hold: a queen before us may have left it (QN-5). */
    const answersHere = Effect.fnUntraced(function* (node: NodeRecord) {
      const here = isLocal(node) ? yield* daemons.running("hive") : Option.none()
      if (Option.isNone(here) || Option.isNone(here.value.token)) return false
      const { host, port, token } = here.value
      const asked = client.health({ node: node.node_name, url: localUrl(host, port), token: token.value })
      return Option.isSome(yield* Effect.option(asked))
    })

    const running = Effect.fnUntraced(function* (node: NodeRecord) {
      const known = yield* find(node.node_name)
      if (Option.isNone(known)) {
        return (yield* answersHere(node)) ? Option.some(yield* connect(node)) : Option.none<HiveConnection>()
      }
      const { connection } = known.value
      const standing = yield* Ref.get(known.value.standing)
      if (standing === "up") return Option.some(connection)
      if (standing !== "lost") return yield* standing
      return (yield* answers(node, connection)) ? Option.some(connection) : Option.none()
    })

    /** Takes back a hive that another queen has claimed, through the tunnels that are there; one that is not there any more is let go of. */
    const takeBack = Effect.fnUntraced(function* (name: NodeName) {
      const known = yield* find(name)
      if (Option.isNone(known) || typeof (yield* Ref.get(known.value.standing)) === "string") return
      const { node, connection, scope, standing } = known.value
      if (!(yield* answers(node, connection))) return yield* drop(name, scope)
      yield* client.claim(connection.address, lease)
      yield* Ref.set(standing, "up")
      const keeper = yield* Effect.forkDaemon(keep(node, connection, scope, standing))
      const hive: Held = { ...known.value, keeper }
      yield* Ref.update(held, HashMap.set(name, hive))
    })

    /** Its keeper ends first: the hive closes its events when it drains, and that is no loss. */
    const release = Effect.fnUntraced(function* (hive: Held) {
      const { address } = hive.connection
      const patience = Duration.sum(timeouts.drain, told)
      const silence = `said nothing for ${Duration.format(patience)}: it may be running on`
      const silent = say("⚠️", `The hive on ${address.node} ${silence}`)
      yield* Fiber.interrupt(hive.keeper)
      if (typeof (yield* Ref.get(hive.standing)) !== "string") return yield* drop(hive.node.node_name, hive.scope) // not ours
      const before = isLocal(hive.node) ? yield* daemons.running("hive") : Option.none()
      const last = yield* client.releaseLease(address, lease.queen_id).pipe(
        Stream.tap((event) => (event.type === "narration" ? report(event) : Effect.void)),
        Stream.runLast,
        Effect.catchAll((error) =>
          Effect.as(
            say("⚠️", `The hive on ${address.node} could not be told to stop: ${describe(error).message}`),
            Option.none()
          )
        ),
        Effect.interruptible,
        Effect.timeoutOption(patience), // a link that was cut silently
        Effect.tap((heard) => (Option.isNone(heard) ? silent : Effect.void))
      )
      const stopping = Option.exists(Option.flatten(last), (event) => event.type === "released" && event.stopping)
      const { node, hive_command } = hive
      if (stopping && Option.isSome(before)) yield* goneHere(before.value.identity).pipe(Effect.provide(context))
      else if (stopping && hive_command !== null) yield* goneThere(node, hive_command).pipe(Effect.provide(context))
      yield* drop(hive.node.node_name, hive.scope)
    })

    /** Waits for the ones that are just being started: they are to go as well. Who asks for it again waits for the same end. */
    const releaseAll = Effect.gen(function* () {
      yield* Ref.set(closing, true)
      const names = [...HashMap.keys(yield* Ref.get(locks))]
      const hives = yield* Effect.forEach(names, (name) => alone(name)(find(name)), { concurrency: "unbounded" })
      yield* stopAll("queen-rbee", "hive", Arr.map(Arr.getSomes(hives), release))
    }).pipe(releasing.withPermits(1), Effect.withSpan("rbee.releaseHives"))

    yield* Effect.addFinalizer(() => Effect.provideService(releaseAll, Narrator, logged))

    const hives = Hives.of({
      connect: (node) =>
        Effect.gen(function* () {
          if (yield* Ref.get(closing)) return yield* new WorkerDraining()
          const connection = yield* Effect.tapError(connect(node), (error: ConnectHiveError) =>
            note(node, contactFailed(error))
          )
          yield* note(node, contactMade)
          return connection
        }),
      claim: (node) =>
        Effect.gen(function* () {
          const { node_name } = node
          // As beginning is: seen through, whatever becomes of the request.
          const taking = yield* takeBack(node_name).pipe(alone(node_name), Effect.interruptible, Effect.forkDaemon)
          yield* Fiber.join(taking)
          const connection = yield* connect(node)
          yield* note(node, contactMade)
          return connection
        }),
      running: (node) =>
        Effect.flatMap(Ref.get(closing), (isClosing) => (isClosing ? Effect.succeedNone : running(node))),
      release: (name) =>
        Effect.flatMap(alone(name)(find(name)), (hive) =>
          stopAll("queen-rbee", "hive", Arr.map(Option.toArray(hive), release))
        ),
      reach: (node, url) =>
        Effect.gen(function* () {
          const hive = yield* find(node.node_name)
          if (isLocal(node) || Option.isNone(hive)) return url
          const port = Number(new URL(url).port)
          if (node.transport === "direct") {
            return `http://${new URL(hive.value.connection.address.url).hostname}:${port}`
          }
          const known = HashMap.get(yield* Ref.get(hive.value.tunnels), port)
          if (Option.isSome(known)) return `http://127.0.0.1:${known.value}`
          const local = yield* Scope.extend(ssh.tunnel(node, port), hive.value.scope)
          yield* Ref.update(hive.value.tunnels, HashMap.set(port, local))
          return `http://127.0.0.1:${local}`
        })
    })

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
