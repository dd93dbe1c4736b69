/** The hives that a queen holds: whatever becomes of requests and links, each is stopped once and none is lost. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { HiveKeeping, hivesLive } from "../../src/daemons/queen/hives.js"
import { HiveUnreachable } from "../../src/domain/errors/Hive.js"
import { WorkerDraining } from "../../src/domain/errors/Worker.js"
import { HiveStarted, type Lease } from "../../src/domain/Hive.js"
import { localhost, QueenId } from "../../src/domain/Ids.js"
import { localhostNode } from "../../src/domain/Node.js"
import { Hives } from "../../src/services/Hives.js"
import { NodeRegistry } from "../../src/services/NodeRegistry.js"
import type { CommandResult } from "../../src/services/Ssh.js"
import { PoolWorkers } from "../../src/services/WorkerRegistry.js"
import { DaemonsTest } from "../../src/testing/DaemonsTest.js"
import { HiveClientTest } from "../../src/testing/HiveClientTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { SshTest } from "../../src/testing/SshTest.js"
import { TestRbee, type TestServices, type TestWorld } from "../../src/testing/TestRbee.js"
import { lines } from "../support/inWorld.js"
import { handle, node, workstation } from "../support/samples.js"

const done = (stdout = ""): CommandResult => ({ exit_code: 0, stdout, stderr: "" })

const started = Schema.encodeSync(Schema.parseJson(HiveStarted))({
  pid: 4000,
  port: 9200,
  host: "127.0.0.1",
  token: Redacted.make("hive-token"),
  version: "0.1.0",
  started: true
})

/** A machine with rbee on it, where `hive start` takes that long. */
const machine = (start_takes = 0): TestWorld => ({
  nodes: [node()],
  hosts: {
    "workstation.lan": {
      run: ([program = "", verb]) => {
        if (verb === "--version") return done("0.1.0\n")
        if (verb === "start")
          return Effect.delay(
            Effect.sync(() => done(started)),
            start_takes
          )
        return done(program === "echo" ? "test\n" : "")
      }
    }
  },
  hive: { workers: [handle()] }
})

const lease = { queen_id: QueenId.make("queen-1"), ttl_s: 120, host: "desk", home: "/home/bee/.rbee" }

/** Runs a test with a queen's hives over a world of doubles. */
const withHives =
  (world: TestWorld = machine(), claimed_with: Lease = lease) =>
  <A, E>(test: Effect.Effect<A, E, TestServices | Hives | HiveKeeping | Scope.Scope>): Effect.Effect<A, E> =>
    test.pipe(
      Effect.scoped,
      Effect.provide(Layer.provideMerge(Layer.fresh(hivesLive(claimed_with)), TestRbee.with(world)))
    )

const connect = Effect.flatMap(Hives, (hives) => hives.connect(node()))
const workers = Effect.map(
  Effect.flatMap(PoolWorkers, (pool) => pool.list),
  (list) => list.map(({ id }) => id)
)
const status = Effect.map(
  Effect.flatMap(NodeRegistry, (registry) => registry.find(workstation)),
  (found) => found.status
)
const startsAsked = Effect.map(
  Effect.flatMap(SshTest, (ssh) => ssh.commandsOn("workstation.lan")),
  (commands) => commands.filter(([, verb]) => verb === "start").length
)
const calls = (tag: "claimed" | "renewed" | "released") =>
  Effect.map(
    Effect.flatMap(HiveClientTest, (hive) => hive.journal),
    (journal) => journal.filter(({ _tag }) => _tag === tag).length
  )
const tunnelsOpen = Effect.map(
  Effect.flatMap(SshTest, (ssh) => ssh.journal),
  (journal) =>
    journal.filter(({ _tag }) => _tag === "forwarded").length -
    journal.filter(({ _tag }) => _tag === "unforwarded").length
)
/** The tag of the error that connecting fails with. */
const refusal = Effect.map(Effect.flip(connect), ({ _tag }) => _tag)
/** Lets every fiber run until it waits. */
const settle = TestClock.adjust(0)
const cutLink = Effect.flatMap(HiveClientTest, (hive) =>
  hive.cut(new HiveUnreachable({ node: workstation, attempts: 1, reason: "no sign of life" }))
)

describe("a hive", () => {
  it.effect("is started once for two requests at a time, and its workers are known", () =>
    Effect.gen(function* () {
      const two = yield* Effect.fork(Effect.all([connect, connect], { concurrency: 2 }))
      yield* TestClock.adjust("1 second")
      const [one, other] = yield* Fiber.join(two)
      assert.deepStrictEqual(one, other)
      assert.strictEqual(yield* startsAsked, 1)
      yield* settle
      assert.deepStrictEqual(yield* workers, ["w-1"])
      assert.strictEqual(yield* status, "reachable")
    }).pipe(withHives(machine(500)))
  )

  it.effect("whose request is cancelled while it starts is held all the same, and stopped with the queen", () =>
    Effect.gen(function* () {
      const request = yield* Effect.fork(connect)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* startsAsked, 1)
      yield* Fiber.interrupt(request) // at once: nobody waits for the start's end here
      const { releaseAll } = yield* HiveKeeping
      const releasing = yield* Effect.fork(releaseAll)
      yield* settle
      assert.strictEqual(yield* calls("released"), 0)
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(releasing)
      assert.strictEqual(yield* calls("released"), 1)
      assert.strictEqual(yield* tunnelsOpen, 0)
    }).pipe(withHives(machine(5000)))
  )

  it.effect("that drains, for its last queen let go of it just now, is waited for; then another takes its place", () =>
    Effect.gen(function* () {
      const { change } = yield* HiveClientTest
      yield* change({ lease_fault: new WorkerDraining() })
      const connecting = yield* Effect.fork(connect)
      yield* TestClock.adjust("1 seconds")
      assert.isNull(connecting.unsafePoll())
      yield* change({ lease_fault: null })
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.join(connecting)
      assert.isAbove(yield* startsAsked, 1)
      assert.strictEqual(yield* tunnelsOpen, 1)
    }).pipe(withHives())
  )

  it.effect("that drains for longer than it may is refused", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(HiveClientTest, ({ change }) => change({ lease_fault: new WorkerDraining() }))
      const connecting = yield* Effect.fork(refusal)
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(yield* Fiber.join(connecting), "WorkerDraining")
      assert.strictEqual(yield* tunnelsOpen, 0)
    }).pipe(withHives())
  )

  it.effect("is not asked for any more once the queen gives its hives up", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(HiveKeeping, ({ releaseAll }) => releaseAll)
      assert.strictEqual(yield* refusal, "WorkerDraining")
      assert.strictEqual(yield* startsAsked, 0)
    }).pipe(withHives())
  )

  it.effect("keeps its tunnel until it has told how its shutdown went, though it closes its events first", () =>
    Effect.gen(function* () {
      yield* connect
      const hives = yield* Hives
      const releasing = yield* Effect.fork(hives.release(workstation))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* tunnelsOpen, 1)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(releasing)
      assert.strictEqual(yield* tunnelsOpen, 0)
      assert.strictEqual(yield* calls("released"), 1)
    }).pipe(withHives({ ...machine(), hive: { stop_takes: "3 seconds" } }))
  )

  it.effect("is not waited for beyond its own time, and is named then", () =>
    Effect.gen(function* () {
      yield* connect
      const hives = yield* Hives
      const releasing = yield* Effect.fork(hives.release(workstation))
      yield* TestClock.adjust("32 seconds")
      yield* Fiber.join(releasing)
      assert.include(yield* lines, "The hive on workstation said nothing for 32s: it may be running on")
    }).pipe(withHives({ ...machine(), hive: { stop_takes: "1 hour" } }))
  )

  it.effect("has its lease renewed while it is held, and not after it was given up", () =>
    Effect.gen(function* () {
      yield* connect
      yield* settle
      const before = yield* calls("renewed")
      yield* TestClock.adjust("61 seconds")
      assert.strictEqual(yield* calls("renewed"), before + 2)
      yield* Effect.flatMap(Hives, (hives) => hives.release(workstation))
      const after = yield* calls("renewed")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* calls("renewed"), after)
    }).pipe(withHives())
  )

  it.effect("has a lease that is shorter than a heartbeat renewed before it runs out", () =>
    Effect.gen(function* () {
      yield* connect
      yield* settle
      const before = yield* calls("renewed")
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(yield* calls("renewed"), before + 3)
    }).pipe(withHives(machine(), { ...lease, ttl_s: 6 }))
  )
})

describe("a link that is lost", () => {
  it.effect("is made anew: the hive is not started again, its workers are there once", () =>
    Effect.gen(function* () {
      const ssh = yield* SshTest
      yield* connect
      yield* settle
      yield* ssh.change("workstation.lan", { fault: "timeout" })
      yield* cutLink
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* status, "unreachable")
      assert.strictEqual(yield* refusal, "SshConnectionTimeout") // a request is told at once what is the matter
      yield* ssh.change("workstation.lan", { fault: null })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* status, "reachable")
      assert.deepStrictEqual(yield* workers, ["w-1"])
      yield* connect
      assert.strictEqual(yield* startsAsked, 1)
      assert.strictEqual(yield* tunnelsOpen, 1)
    }).pipe(withHives())
  )

  it.effect("and is not known to be lost by SSH yet is no end of the hive either", () =>
    Effect.gen(function* () {
      const ssh = yield* SshTest
      const hive = yield* HiveClientTest
      yield* connect
      yield* settle
      // The connection is there still, but nothing comes through it.
      const { run } = machine().hosts?.["workstation.lan"] ?? {}
      yield* ssh.change("workstation.lan", { run: () => Effect.fail({ reason: "no answer within 30s" }) })
      yield* hive.change({ fault: new HiveUnreachable({ node: workstation, attempts: 3, reason: "no answer" }) })
      yield* cutLink
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(yield* status, "unreachable")
      yield* ssh.change("workstation.lan", { ...(run && { run }) })
      yield* hive.change({ fault: null })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* status, "reachable")
      yield* connect
      assert.strictEqual(yield* startsAsked, 1)
    }).pipe(withHives())
  )

  it.effect("between a sign of the machine and the hive's answer is no end of the hive", () =>
    Effect.gen(function* () {
      const ssh = yield* SshTest
      const hive = yield* HiveClientTest
      yield* connect
      yield* settle
      const { run } = machine().hosts?.["workstation.lan"] ?? {}
      let signs = 1
      const cut = () => (signs-- > 0 ? done() : Effect.fail({ reason: "the connection was lost" }))
      yield* ssh.change("workstation.lan", { run: cut })
      yield* hive.change({ fault: new HiveUnreachable({ node: workstation, attempts: 3, reason: "no answer" }) })
      yield* cutLink
      yield* TestClock.adjust("60 seconds")
      assert.isBelow(signs, 0)
      yield* ssh.change("workstation.lan", { ...(run && { run }) })
      yield* hive.change({ fault: null })
      yield* TestClock.adjust("10 seconds")
      yield* connect
      assert.strictEqual(yield* startsAsked, 1)
    }).pipe(withHives())
  )

  it.effect("to a machine whose hive is gone is the end of that hive: the next request starts another", () =>
    Effect.gen(function* () {
      const hive = yield* HiveClientTest
      yield* connect
      yield* settle
      const fault = new HiveUnreachable({ node: workstation, attempts: 3, reason: "ECONNREFUSED" })
      yield* hive.change({ fault })
      yield* cutLink
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* workers, [])
      assert.strictEqual(yield* tunnelsOpen, 0)
      yield* hive.change({ fault: null })
      yield* connect
      assert.strictEqual(yield* startsAsked, 2)
    }).pipe(withHives())
  )

  it.effect("to a machine that shows another key is not taken up again", () =>
    Effect.gen(function* () {
      const ssh = yield* SshTest
      yield* connect
      yield* settle
      yield* ssh.change("workstation.lan", {
        fingerprint: `SHA256:${"1".repeat(43)}`,
        recorded: `SHA256:${"0".repeat(43)}`
      })
      yield* cutLink
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(yield* workers, [])
      assert.strictEqual(yield* refusal, "SshHostKeyMismatch")
    }).pipe(withHives())
  )
})

describe("a hive that another queen has claimed since (Gap-F3)", () => {
  const other = { host: "attic", home: "/home/ann/.rbee" }
  const stays: Lease = { ...lease, ttl_s: null }
  const lose = Effect.gen(function* () {
    yield* connect
    yield* settle
    yield* Effect.flatMap(HiveClientTest, (hive) => hive.change({ claimed_by: other }))
    yield* TestClock.adjust("30 seconds") // until the next renewal
  })

  it.effect("is looked after no more, and its requests are told whose it is", () =>
    Effect.gen(function* () {
      yield* lose
      const told = yield* Effect.flip(connect)
      assert.deepInclude(told, { _tag: "HiveClaimed", node: workstation, ...other })
      assert.strictEqual((yield* Effect.flip(Effect.flatMap(Hives, ({ running }) => running(node()))))._tag, told._tag)
      assert.deepStrictEqual(yield* workers, [])
      const { last_error } = yield* Effect.flatMap(NodeRegistry, (registry) => registry.find(workstation))
      assert.include(last_error, "/home/ann/.rbee on attic")
      const renewed = yield* calls("renewed")
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual([yield* calls("renewed"), yield* calls("claimed")], [renewed, 1])
      assert.strictEqual(yield* startsAsked, 1)
      assert.strictEqual(yield* tunnelsOpen, 1) // what streams through it goes on
    }).pipe(withHives(machine(), stays))
  )

  it.effect("is not stopped by a queen that ends", () =>
    Effect.gen(function* () {
      yield* lose
      yield* Effect.flatMap(HiveKeeping, ({ releaseAll }) => releaseAll)
      assert.deepStrictEqual([yield* calls("released"), yield* tunnelsOpen], [0, 0])
    }).pipe(withHives(machine(), stays))
  )

  it.effect("is taken back on purpose, without starting another, and is looked after again", () =>
    Effect.gen(function* () {
      yield* lose
      yield* Effect.flatMap(Hives, ({ claim }) => claim(node()))
      yield* settle
      yield* connect
      assert.deepStrictEqual(yield* workers, ["w-1"])
      assert.strictEqual(yield* status, "reachable")
      assert.deepStrictEqual([yield* calls("claimed"), yield* startsAsked, yield* tunnelsOpen], [2, 1, 1])
    }).pipe(withHives(machine(), stays))
  )

  it.effect("is shared with the queen of one command all the same", () =>
    Effect.gen(function* () {
      yield* lose
      yield* connect
      assert.deepStrictEqual(yield* workers, ["w-1"])
    }).pipe(withHives())
  )
})

describe("a hive that is only looked for", () => {
  const look = (where = node()) => Effect.flatMap(Hives, (hives) => hives.running(where))

  it.effect("is none where none is held: nothing is started, and no machine is connected to", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* look()))
      assert.isTrue(Option.isNone(yield* look(localhostNode)))
      assert.deepStrictEqual(yield* Effect.flatMap(SshTest, (ssh) => ssh.journal), [])
      assert.strictEqual(yield* calls("renewed"), 0)
    }).pipe(withHives())
  )

  it.effect("is the one that is held", () =>
    Effect.gen(function* () {
      const connection = yield* connect
      assert.deepStrictEqual(Option.getOrNull(yield* look()), connection)
      assert.strictEqual(yield* startsAsked, 1)
    }).pipe(withHives())
  )

  it.effect("while its link is lost fails as the link does, and is none once it is gone", () =>
    Effect.gen(function* () {
      const ssh = yield* SshTest
      const hive = yield* HiveClientTest
      yield* connect
      yield* settle
      yield* ssh.change("workstation.lan", { fault: "timeout" })
      yield* cutLink
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Effect.flip(look()))._tag, "SshConnectionTimeout")
      yield* hive.change({ fault: new HiveUnreachable({ node: workstation, attempts: 3, reason: "ECONNREFUSED" }) })
      yield* ssh.change("workstation.lan", { fault: null })
      assert.isTrue(Option.isNone(yield* look()))
      assert.strictEqual(yield* startsAsked, 1)
    }).pipe(withHives())
  )

  /** A hive of this machine that a queen before us left running. */
  const left = Effect.gen(function* () {
    const { identity } = yield* (yield* ProcessesTest).begin()
    const token = Option.some(Redacted.make("hive-token"))
    yield* (yield* DaemonsTest).recorded("hive", { identity, host: "127.0.0.1", port: 9200, token })
    return identity.pid
  })
  const here: TestWorld = {
    hive: { workers: [handle({ node: localhost })] },
    processes: { run: () => Effect.succeed(done(started)) }
  }

  it.effect("on this machine is also one that nobody asked for yet; its workers are known from then on", () =>
    Effect.gen(function* () {
      const pid = yield* left
      assert.isTrue(Option.isSome(yield* look(localhostNode)))
      yield* settle
      assert.deepStrictEqual(yield* workers, ["w-1"])
      assert.deepStrictEqual([yield* calls("claimed"), yield* calls("renewed")], [1, 1]) // and kept
      yield* (yield* ProcessesTest).end(pid, { code: 0, signal: null }) // the queen's end waits for it
    }).pipe(withHives(here))
  )

  it.effect("on this machine is none that does not answer: it is not replaced for that", () =>
    Effect.gen(function* () {
      yield* left
      assert.isTrue(Option.isNone(yield* look(localhostNode)))
      assert.strictEqual(yield* calls("renewed"), 0)
    }).pipe(
      withHives({
        ...here,
        hive: { fault: new HiveUnreachable({ node: localhost, attempts: 3, reason: "no answer" }) }
      })
    )
  )

  it.effect("is none for a queen that gives her hives up", () =>
    Effect.gen(function* () {
      yield* connect
      yield* Effect.flatMap(HiveKeeping, ({ releaseAll }) => releaseAll)
      assert.isTrue(Option.isNone(yield* look()))
    }).pipe(withHives())
  )
})
