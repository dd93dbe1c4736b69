import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { connect } from "../../../src/layers/sql/connection.js"
import { WorkerBinariesSql } from "../../../src/layers/sql/WorkerBinariesSql.js"
import { WorkerBinaries } from "../../../src/services/WorkerBinaries.js"
import { workerBinariesContract } from "../../contracts/WorkerBinaries.js"
import { binaryEntry } from "../../support/binaries.js"
import { freshHome, homeAt, tempDir } from "../../support/tempDir.js"

workerBinariesContract("WorkerBinariesSql", Layer.provide(WorkerBinariesSql, freshHome))

const openedIn = <A, E>(home: string, use: (catalog: WorkerBinaries["Type"]) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(WorkerBinaries, use), Layer.provide(WorkerBinariesSql, homeAt(home)))

describe("WorkerBinariesSql", () => {
  it.scopedLive("a file that is opened again has its rows, the features as a JSON array", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const entry = binaryEntry({ features: ["cuda", "loud"] })
      yield* openedIn(home, (catalog) => catalog.put(entry))
      assert.deepStrictEqual(yield* openedIn(home, (catalog) => catalog.list()), [entry])
      const sql = yield* connect(Path.join(home, "workers.db"), { readonly: true })
      assert.deepStrictEqual(yield* sql`SELECT * FROM worker_binaries`, [{ ...entry, features: '["cuda","loud"]' }])
    })
  )

  it.scopedLive("a row that is not one of ours makes the catalog unavailable, and no defect", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      yield* openedIn(home, (catalog) => catalog.put(binaryEntry()))
      const sql = yield* connect(Path.join(home, "workers.db"))
      yield* sql`UPDATE worker_binaries SET features = 'cuda'`
      const error = yield* Effect.flip(openedIn(home, (catalog) => catalog.list()))
      assert.deepStrictEqual([error._tag, error.database], ["CatalogUnavailable", "workers.db"])
    })
  )

  it.scopedLive("one that cannot be opened is told with its reason", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      Fs.mkdirSync(Path.join(home, "workers.db"))
      const error = yield* Effect.flip(openedIn(home, (catalog) => catalog.list()))
      assert.deepStrictEqual([error._tag, error.database], ["CatalogUnavailable", "workers.db"])
    })
  )
})
