import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { connect } from "../../../src/layers/sql/connection.js"
import { ModelCatalogSql } from "../../../src/layers/sql/ModelCatalogSql.js"
import { ModelCatalog } from "../../../src/services/ModelCatalog.js"
import { modelCatalogContract } from "../../contracts/ModelCatalog.js"
import { catalogWriter } from "../../support/catalogWriters.js"
import { modelEntry } from "../../support/samples.js"
import { freshHome, homeAt, tempDir } from "../../support/tempDir.js"

modelCatalogContract("ModelCatalogSql", Layer.provide(ModelCatalogSql, freshHome))

const openedIn = <A, E>(home: string, use: (catalog: ModelCatalog["Type"]) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(ModelCatalog, use), Layer.provide(ModelCatalogSql, homeAt(home)))

describe("ModelCatalogSql", () => {
  it.scopedLive("a file that is opened again has its rows", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* openedIn(home, (catalog) => catalog.put(modelEntry()))
      assert.isTrue(Fs.existsSync(Path.join(home, "models.db")))
      assert.deepStrictEqual(yield* openedIn(home, ({ list }) => list), [modelEntry()])
    })
  )

  it.scopedLive("two hives' catalogs are separate (CAT-7)", () =>
    Effect.gen(function* () {
      yield* openedIn(yield* tempDir, (catalog) => catalog.put(modelEntry()))
      assert.deepStrictEqual(yield* openedIn(yield* tempDir, ({ list }) => list), [])
    })
  )

  it.scopedLive("four processes that make the catalog and put one model at once make one row (Gap-C3)", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const writers = yield* Effect.forEach(Array.from({ length: 4 }), () => catalogWriter(home, "", 25))
      for (const { ended } of writers) {
        const { code, acknowledged, errors } = yield* ended
        assert.deepStrictEqual([code, acknowledged.length, errors], [0, 25, ""])
      }
      assert.lengthOf(yield* openedIn(home, ({ list }) => list), 1)
    })
  )

  /** A lock of another connection, held while something is done. */
  const whileLocked = <A, E>(home: string, use: Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const foreign = yield* connect(Path.join(home, "models.db"))
      yield* Effect.acquireUseRelease(
        foreign`BEGIN IMMEDIATE`,
        () => use,
        () => Effect.orDie(foreign`ROLLBACK`)
      )
    }).pipe(Effect.scoped)

  it.scopedLive("a row waits until another process lets go of the file, and nothing else has to wait meanwhile", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* openedIn(home, (catalog) =>
        Effect.gen(function* () {
          const ticks: Array<number> = []
          const tick = Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.sync(() => ticks.push(now)))
          yield* Effect.fork(Effect.repeat(tick, Schedule.spaced("5 millis")))
          const put = yield* Effect.fork(catalog.put(modelEntry()))
          yield* whileLocked(
            home,
            Effect.zipRight(
              Effect.sleep("1 second"),
              Effect.sync(() => put.unsafePoll())
            ).pipe(Effect.map((answer) => assert.isNull(answer)))
          )
          yield* Fiber.join(put)
          assert.lengthOf(yield* catalog.list, 1)
          const pauses = ticks.slice(1).map((at, i) => at - (ticks[i] ?? 0))
          assert.isBelow(Math.max(...pauses), 250)
        })
      )
    })
  )

  it.scopedLive("a single call blocks the process for a moment at most", () =>
    Effect.gen(function* () {
      const sql = yield* connect(Path.join(yield* tempDir, "models.db"))
      const [wait] = yield* sql<{ readonly timeout: number }>`PRAGMA busy_timeout`
      assert.isAtMost(wait?.timeout ?? Number.NaN, 25)
    })
  )

  it.scopedLive("a catalog that stays locked is an error, not a hang", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* openedIn(home, (catalog) =>
        Effect.gen(function* () {
          yield* whileLocked(
            home,
            Effect.gen(function* () {
              const [took, error] = yield* Effect.timed(Effect.flip(catalog.put(modelEntry())))
              assert.strictEqual(error._tag, "CatalogUnavailable")
              assert.match(error.reason, /locked/)
              assert.isBelow(Duration.toSeconds(took), 5)
            })
          )
          yield* catalog.put(modelEntry())
          assert.lengthOf(yield* catalog.list, 1)
        })
      )
    })
  )
})
