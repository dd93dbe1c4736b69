/** What every Downloads does. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/TestClock"
import { DownloadFailed, DownloadNotFound } from "../../src/domain/errors/Model.js"
import { Downloads, type DownloadWork } from "../../src/services/Downloads.js"
import type { Narrator } from "../../src/services/Narrator.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { failsWith } from "../support/assertFails.js"
import { modelEntry } from "../support/samples.js"

const entry = modelEntry()
const broken = new DownloadFailed({ reference: "demo", attempts: 6, reason: "ECONNRESET" })

/** A work that counts how often it was begun. */
const counted = (work: DownloadWork) => {
  let begun = 0
  return {
    begun: () => begun,
    work: Effect.suspend(() => {
      begun += 1
      return work
    })
  }
}
/** A second of work. */
const second = Effect.delay(Effect.succeed(entry), "1 second")

/** The suite; the layer begins without downloads at every use. */
export const downloadsContract = (name: string, layer: Layer.Layer<Downloads>): void => {
  const use = <A, E>(test: (downloads: Downloads["Type"]) => Effect.Effect<A, E, Narrator | Scope.Scope>) =>
    Effect.flatMap(Downloads, test).pipe(Effect.scoped, Effect.provide(layer), Effect.provide(NarratorTest.layer()))

  /** Everything at once, to its end. */
  const together = <A, E, R>(all: ReadonlyArray<Effect.Effect<A, E, R>>) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.fork(Effect.all(all, { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      return yield* Fiber.join(fiber)
    })

  describe(`Downloads: ${name}`, () => {
    it.effect("who joins alone gets what the work comes to", () =>
      use((downloads) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* downloads.join("demo", Effect.succeed(entry)), entry)
          yield* failsWith(downloads.join("demo", broken), broken)
        })
      )
    )

    it.effect("ten who join for the same at once share one work", () =>
      use((downloads) =>
        Effect.gen(function* () {
          const { work, begun } = counted(second)
          const ten = Array.from({ length: 10 }, () => downloads.join("demo", work))
          const all = yield* together(ten)
          assert.strictEqual(begun(), 1)
          assert.lengthOf(all, 10)
          for (const one of all) assert.deepStrictEqual(one, entry)
        })
      )
    )

    it.effect("for different models they do not", () =>
      use((downloads) =>
        Effect.gen(function* () {
          const { work, begun } = counted(second)
          yield* together([downloads.join("a", work), downloads.join("b", work)])
          assert.strictEqual(begun(), 2)
        })
      )
    )

    it.effect("a work that fails fails for all, and the next one begins anew", () =>
      use((downloads) =>
        Effect.gen(function* () {
          const { work, begun } = counted(Effect.delay(broken, "1 second"))
          const joining = Effect.flip(downloads.join("demo", work))
          assert.deepStrictEqual(
            (yield* together([joining, joining, joining])).map(({ _tag }) => _tag),
            ["DownloadFailed", "DownloadFailed", "DownloadFailed"]
          )
          assert.strictEqual(begun(), 1)
          assert.deepStrictEqual(yield* downloads.join("demo", Effect.succeed(entry)), entry)
        })
      )
    )

    it.effect("a work that has ended is not joined: the next one begins anew", () =>
      use((downloads) =>
        Effect.gen(function* () {
          const { work, begun } = counted(Effect.succeed(entry))
          yield* downloads.join("demo", work)
          yield* downloads.join("demo", work)
          assert.strictEqual(begun(), 2)
        })
      )
    )

    it.effect("what was begun is followed to what it came to, as often as one likes", () =>
      use((downloads) =>
        Effect.gen(function* () {
          const good = yield* downloads.begin("demo", Effect.succeed(entry))
          const bad = yield* downloads.begin("bad", broken)
          assert.notStrictEqual(good, bad)
          for (const _ of [1, 2]) {
            assert.deepStrictEqual(yield* Effect.flatten(downloads.follow(good)), entry)
            yield* failsWith(Effect.flatten(downloads.follow(bad)), broken)
          }
        })
      )
    )

    it.effect("an id that nobody was given is no download to follow, and none to take back", () =>
      use((downloads) =>
        Effect.gen(function* () {
          for (const id of ["", "download-1", "__proto__", "no such id"]) {
            yield* failsWith(downloads.follow(id), new DownloadNotFound({ download_id: id }))
            yield* downloads.cancel(id)
          }
        })
      )
    )
  })
}
