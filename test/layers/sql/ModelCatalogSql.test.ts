import * as Fs from "node:fs"
import * as Path from "node:path"
import { SqlClient } from "@effect/sql/SqlClient"
import * as SqliteClient from "@effect/sql-sqlite-node/SqliteClient"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelCatalogSql } from "../../../src/layers/sql/ModelCatalogSql.js"
import { ModelCatalog } from "../../../src/services/ModelCatalog.js"
import { modelCatalogContract } from "../../contracts/ModelCatalog.js"
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

  it.scopedLive("a corrupt file is an error with SQLite's reason, not a defect", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      Fs.writeFileSync(Path.join(home, "models.db"), "no database".repeat(500))
      const error = yield* Effect.flip(openedIn(home, ({ list }) => list))
      assert.deepStrictEqual([error._tag, error.database], ["CatalogUnavailable", "models.db"])
      assert.match(error.reason, /not a database/)
    })
  )

  it.scopedLive("a catalog that another process has locked is an error, not a hang", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* openedIn(home, (catalog) =>
        Effect.gen(function* () {
          const sql = yield* SqlClient
          const write = sql`DELETE FROM models`
          // A connection of its own: whose transaction a statement belongs to stands in the context.
          const put = Effect.mapInputContext(catalog.put(modelEntry()), (_: Context.Context<never>) => Context.empty())
          const error = yield* sql.withTransaction(Effect.zipRight(write, Effect.flip(put)))
          assert.strictEqual(error._tag, "CatalogUnavailable")
          assert.match(error.reason, /locked/)
          yield* put
          assert.lengthOf(yield* catalog.list, 1)
        }).pipe(Effect.provide(SqliteClient.layer({ filename: Path.join(home, "models.db") })))
      )
    })
  )
})
