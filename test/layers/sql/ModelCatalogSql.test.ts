import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
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
          const ticks = yield* Ref.make(0)
          yield* Effect.fork(
            Effect.repeat(
              Ref.update(ticks, (count) => count + 1),
              Schedule.spaced("5 millis")
            )
          )
          const put = yield* Effect.fork(catalog.put(modelEntry()))
          yield* whileLocked(
            home,
            Effect.gen(function* () {
              // Had it waited without letting others have their turn, it would have ended by the time of these ticks.
              const before = yield* Ref.get(ticks)
              yield* Effect.sleep("1 second")
              yield* Effect.repeat(Effect.zipRight(Effect.sleep("20 millis"), Ref.get(ticks)), {
                until: (now) => now > before + 20
              })
              assert.isNull(put.unsafePoll())
            })
          )
          yield* Fiber.join(put)
          assert.lengthOf(yield* catalog.list, 1)
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
