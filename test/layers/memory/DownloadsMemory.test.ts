/** Downloads that listeners come to and go from: all are told, and only the last one's leaving ends the work. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { DownloadFailed, DownloadNotFound } from "../../../src/domain/errors/Model.js"
import { Narration, type Report } from "../../../src/domain/Narration.js"
import { DownloadsMemory } from "../../../src/layers/memory/DownloadsMemory.js"
import { Downloads, type DownloadWork } from "../../../src/services/Downloads.js"
import { Narrator, report } from "../../../src/services/Narrator.js"
import { layerTokensTest } from "../../../src/testing/TokensTest.js"
import { downloadsContract } from "../../contracts/Downloads.js"
import { failsWith } from "../../support/assertFails.js"
import { modelEntry } from "../../support/samples.js"

const layer = Layer.provide(DownloadsMemory, layerTokensTest)

downloadsContract("DownloadsMemory", layer)

const entry = modelEntry()
const told = (human: string) => Narration.make({ actor: "rbee-hive", emoji: "⬇️", human })
const joiningIn = "demo is being downloaded already: joining in"

/** A download of so many seconds that tells of every one at its end, and what happened to it. */
const work = (seconds = 4) => {
  const events: Array<string> = []
  const note = (event: string) => Effect.sync(() => void events.push(event))
  const steps = Effect.forEach(
    Array.from({ length: seconds }, (_, index) => index + 1),
    (n) => Effect.zipRight(Effect.sleep("1 second"), report(told(`${n}`)))
  )
  const run: DownloadWork = note("begun").pipe(
    Effect.zipRight(steps),
    Effect.zipRight(note("done")),
    Effect.as(entry),
    Effect.onInterrupt(() => note("interrupted"))
  )
  return { run, events }
}

/** Somebody who is told; `slow` takes a while to read each line. */
const listener = (slow: Effect.Effect<void> = Effect.void) => {
  const heard: Array<string> = []
  const hear = (what: Report) =>
    Effect.zipRight(
      slow,
      Effect.sync(() => void heard.push(what.type === "narration" ? what.human : what.stage))
    )
  return { heard, of: Effect.provideService(Narrator, { report: hear }) }
}
const nobody = listener().of

const use = <A, E>(test: (downloads: Downloads["Type"]) => Effect.Effect<A, E, Scope.Scope>) =>
  Effect.flatMap(Downloads, test).pipe(Effect.scoped, Effect.provide(layer))

describe("whoever joins is told", () => {
  it.effect("everything, where it comes in time", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const [one, other] = [listener(), listener()]
        const { run } = work()
        const both = yield* Effect.fork(
          Effect.all([one.of(downloads.join("demo", run)), other.of(downloads.join("demo", run))], { concurrency: 2 })
        )
        yield* TestClock.adjust("4 seconds")
        yield* Fiber.join(both)
        assert.deepStrictEqual(one.heard, ["1", "2", "3", "4"])
        assert.deepStrictEqual(other.heard, [joiningIn, "1", "2", "3", "4"])
      })
    )
  )

  it.effect("from where it comes in, otherwise", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const late = listener()
        const { run } = work()
        const first = yield* Effect.fork(nobody(downloads.join("demo", run)))
        yield* TestClock.adjust("2 seconds")
        const second = yield* Effect.fork(late.of(downloads.join("demo", run)))
        yield* TestClock.adjust("2 seconds")
        yield* Fiber.join(first)
        assert.deepStrictEqual(yield* Fiber.join(second), entry)
        assert.deepStrictEqual(late.heard, [joiningIn, "3", "4"])
      })
    )
  )

  it.effect("also what is told with the work's first breath and with its last", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const one = listener()
        const hasty = report(told("first")).pipe(Effect.zipRight(report(told("last"))), Effect.as(entry))
        yield* one.of(downloads.join("demo", hasty))
        assert.deepStrictEqual(one.heard, ["first", "last"])
      })
    )
  )

  it.effect("also what is told before a failure", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const one = listener()
        const broken = new DownloadFailed({ reference: "demo", attempts: 6, reason: "ECONNRESET" })
        yield* failsWith(
          one.of(downloads.join("demo", Effect.zipRight(report(told("trying once more")), broken))),
          broken
        )
        assert.deepStrictEqual(one.heard, ["trying once more"])
      })
    )
  )

  it.effect("all of it, however long it takes to read a line", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const slow = listener(Effect.sleep("1700 millis"))
        const { run, events } = work()
        const joining = yield* Effect.fork(slow.of(downloads.join("demo", run)))
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(events, ["begun", "done"]) // nobody holds the work up
        yield* TestClock.adjust("1 minute")
        yield* Fiber.join(joining)
        assert.deepStrictEqual(slow.heard, ["1", "2", "3", "4"])
      })
    )
  )
})

describe("who goes away", () => {
  const joined = (downloads: Downloads["Type"], run: DownloadWork) => Effect.fork(nobody(downloads.join("demo", run)))

  for (const [who, index] of [
    ["the one who began it", 0],
    ["one who joined", 1]
  ] as const) {
    it.effect(`takes it from nobody else: ${who}`, () =>
      use((downloads) =>
        Effect.gen(function* () {
          const { run, events } = work()
          const fibers = [yield* joined(downloads, run), yield* joined(downloads, run)] as const
          yield* TestClock.adjust("1 second")
          yield* Fiber.interrupt(fibers[index])
          yield* TestClock.adjust("3 seconds")
          assert.deepStrictEqual(yield* Fiber.join(fibers[1 - index] ?? fibers[0]), entry)
          assert.deepStrictEqual(events, ["begun", "done"])
        })
      )
    )
  }

  it.effect("last ends it, and has it ended before it is gone", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const [first, second] = [yield* joined(downloads, run), yield* joined(downloads, run)]
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(first)
        assert.deepStrictEqual(events, ["begun"])
        yield* Fiber.interrupt(second)
        assert.deepStrictEqual(events, ["begun", "interrupted"])
      })
    )
  )

  it.effect("at once takes it away at once: nothing is left to run", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        yield* Fiber.interrupt(yield* joined(downloads, run))
        yield* TestClock.adjust("1 minute")
        assert.notInclude(events, "done")
        const count = (which: string) => events.filter((event) => event === which).length
        assert.strictEqual(count("interrupted"), count("begun"))
      })
    )
  )

  it.effect("does not wait for whoever comes while the old work still tidies up: that one begins anew", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const tidying = Effect.onInterrupt(run, () => Effect.sleep("10 seconds"))
        const first = yield* joined(downloads, tidying)
        yield* TestClock.adjust("1 second")
        const leaving = yield* Effect.fork(Fiber.interrupt(first))
        yield* TestClock.adjust("1 second")
        const second = yield* joined(downloads, run)
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(yield* Fiber.join(second), entry)
        assert.deepStrictEqual(events, ["begun", "interrupted", "begun", "done"])
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.join(leaving)
      })
    )
  )
})

describe("what was begun", () => {
  it.effect("goes on by itself, and is followed by whoever has its id", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const id = yield* downloads.begin("demo", run)
        const one = listener()
        const following = yield* Effect.fork(one.of(Effect.flatten(downloads.follow(id))))
        yield* TestClock.adjust("2 seconds")
        const late = listener()
        const joining = yield* Effect.fork(late.of(downloads.join("demo", run)))
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* Fiber.join(following), entry)
        assert.deepStrictEqual(yield* Fiber.join(joining), entry)
        assert.deepStrictEqual(one.heard, ["1", "2", "3", "4"])
        assert.deepStrictEqual(late.heard, [joiningIn, "3", "4"])
        assert.deepStrictEqual(events, ["begun", "done"])
        assert.deepStrictEqual(yield* nobody(Effect.flatten(downloads.follow(id))), entry)
      })
    )
  )

  it.effect("goes on though its follower goes away", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const id = yield* downloads.begin("demo", run)
        const following = yield* Effect.fork(nobody(Effect.flatten(downloads.follow(id))))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(following)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(events, ["begun", "done"])
      })
    )
  )

  it.effect("takes part in a download that runs", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const ids = [yield* downloads.begin("demo", run), yield* downloads.begin("demo", run)]
        assert.notStrictEqual(ids[0], ids[1])
        yield* TestClock.adjust("4 seconds")
        for (const id of ids) assert.deepStrictEqual(yield* nobody(Effect.flatten(downloads.follow(id))), entry)
        assert.deepStrictEqual(events, ["begun", "done"])
      })
    )
  )

  it.effect("ends when it is taken back", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const id = yield* downloads.begin("demo", run)
        yield* TestClock.adjust("1 second")
        const following = yield* Effect.fork(nobody(Effect.flatten(downloads.follow(id))))
        yield* TestClock.adjust(0)
        yield* downloads.cancel(id)
        assert.deepStrictEqual(events, ["begun", "interrupted"])
        const gone = new DownloadNotFound({ download_id: id })
        yield* failsWith(Fiber.join(following), gone) // whoever follows it is not left without a word
        yield* failsWith(nobody(Effect.flatten(downloads.follow(id))), gone)
        const again = work()
        assert.strictEqual(yield* downloads.begin("demo", again.run), "id2")
        yield* TestClock.adjust("4 seconds")
        assert.deepStrictEqual(again.events, ["begun", "done"])
      })
    )
  )

  it.effect("is taken back once, however often it is said: whoever else wants it keeps it", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const mine = yield* downloads.begin("demo", run)
        const other = yield* downloads.begin("demo", run)
        yield* TestClock.adjust("1 second")
        for (const _ of [1, 2, 3]) yield* downloads.cancel(mine)
        yield* TestClock.adjust("3 seconds")
        assert.deepStrictEqual(events, ["begun", "done"])
        assert.deepStrictEqual(yield* nobody(Effect.flatten(downloads.follow(other))), entry)
        for (const id of [mine, other]) yield* downloads.cancel(id) // it has ended: nothing to take back
        assert.deepStrictEqual(yield* nobody(Effect.flatten(downloads.follow(mine))), entry)
      })
    )
  )

  it.effect("keeps what a joined worker waits for, and the other way round", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const { run, events } = work()
        const joining = yield* Effect.fork(nobody(downloads.join("demo", run)))
        yield* TestClock.adjust("1 second")
        const id = yield* downloads.begin("demo", run)
        yield* downloads.cancel(id)
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(events, ["begun"])
        yield* downloads.begin("demo", run)
        yield* Fiber.interrupt(joining)
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(events, ["begun", "done"])
      })
    )
  )

  it.effect("is remembered for a while after its end: the 64 that began last, and all that run", () =>
    use((downloads) =>
      Effect.gen(function* () {
        const running = yield* downloads.begin("long", work(1000).run)
        const ids = yield* Effect.forEach(Array.from({ length: 70 }), (_, n) =>
          Effect.tap(downloads.begin(`m-${n}`, Effect.succeed(modelEntry({ reference: `m-${n}` }))), (id) =>
            nobody(Effect.flatten(downloads.follow(id)))
          )
        )
        const [first = "", last = ""] = [ids[0], ids.at(-1)]
        yield* failsWith(nobody(Effect.flatten(downloads.follow(first))), new DownloadNotFound({ download_id: first }))
        assert.strictEqual((yield* nobody(Effect.flatten(downloads.follow(last)))).reference, "m-69")
        assert.strictEqual((yield* nobody(Effect.flatten(downloads.follow(ids[10] ?? "")))).reference, "m-10")
        yield* downloads.cancel(running)
      })
    )
  )
})

describe("with the layer's end", () => {
  it.effect("every work is broken off, whoever wants it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const downloads = yield* Effect.provide(Downloads, yield* Layer.buildWithScope(layer, scope))
      const [joined, begun] = [work(), work()]
      const joining = yield* Effect.fork(nobody(downloads.join("a", joined.run)))
      yield* downloads.begin("b", begun.run)
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      for (const { events } of [joined, begun]) assert.deepStrictEqual(events, ["begun", "interrupted"])
      assert.isTrue(Exit.isInterrupted(yield* Fiber.await(joining)))
    })
  )

  it.effect("and is waited for until it has tidied up", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const downloads = yield* Effect.provide(Downloads, yield* Layer.buildWithScope(layer, scope))
      const gate = yield* Deferred.make<void>()
      yield* downloads.begin(
        "demo",
        Effect.onInterrupt(work().run, () => Deferred.await(gate))
      )
      yield* TestClock.adjust("1 second")
      const closing = yield* Effect.fork(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("1 second")
      assert.isNull(closing.unsafePoll())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
    })
  )
})
