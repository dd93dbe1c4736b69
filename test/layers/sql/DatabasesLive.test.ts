/** Backups, restores and checks of real files. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BackupUnusable, CatalogUnavailable, DatabaseInUse } from "../../../src/domain/errors/Hive.js"
import { connect } from "../../../src/layers/sql/connection.js"
import { DatabasesLive } from "../../../src/layers/sql/DatabasesLive.js"
import { ModelCatalogSql } from "../../../src/layers/sql/ModelCatalogSql.js"
import { nodeRegistrySql } from "../../../src/layers/sql/NodeRegistrySql.js"
import { type DatabaseName, Databases } from "../../../src/services/Databases.js"
import { ModelCatalog } from "../../../src/services/ModelCatalog.js"
import { NodeRegistry } from "../../../src/services/NodeRegistry.js"
import { layerSettingsTest } from "../../../src/testing/SettingsTest.js"
import { failsWith } from "../../support/assertFails.js"
import { modelEntry, node } from "../../support/samples.js"
import { tempDir } from "../../support/tempDir.js"

const second = modelEntry({ id: "m-2", provider: "file", reference: "file:///models/second.gguf" })

/** A home of its own, with a catalog of one model, or none. */
const homeWith = (models = [modelEntry()]) =>
  Effect.gen(function* () {
    const home = yield* tempDir
    const beehives = Path.join(home, "beehives.db")
    const settings = layerSettingsTest({ home, queen: { host: "127.0.0.1", port: 1, database: beehives } })
    const databases = Effect.provide(Databases, Layer.provide(DatabasesLive, settings))
    const inCatalog = <A, E>(use: (catalog: ModelCatalog["Type"]) => Effect.Effect<A, E>) =>
      Effect.provide(Effect.flatMap(ModelCatalog, use), Layer.provide(ModelCatalogSql, settings))
    if (models.length > 0) yield* inCatalog(({ put }) => Effect.forEach(models, put))
    return { home, file: Path.join(home, "models.db"), beehives, databases: yield* databases, inCatalog }
  })

const namesIn = (folder: string) => (Fs.existsSync(folder) ? Fs.readdirSync(folder).sort() : [])

describe("Databases.backup", () => {
  it.scopedLive("copies a database that is in use, for its owner's eyes alone, and verifies it", () =>
    Effect.gen(function* () {
      const { home, databases, inCatalog } = yield* homeWith()
      yield* inCatalog((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(second) // in the log alone as yet
          const copy = yield* databases.backup("models.db")
          assert.match(copy.path, /\/backups\/models-\d{8}T\d{6}Z\.db$/)
          assert.deepStrictEqual([copy.database, copy.rows], ["models.db", 2])
          assert.strictEqual(copy.size_bytes, Fs.statSync(copy.path).size)
          assert.strictEqual(Fs.statSync(copy.path).mode & 0o777, 0o600)
          assert.strictEqual(Fs.statSync(Path.dirname(copy.path)).mode & 0o777, 0o700)
          assert.deepStrictEqual(namesIn(Path.join(home, "backups")), [Path.basename(copy.path)])
          assert.deepStrictEqual(yield* databases.inspect(copy.path), copy)
        })
      )
    })
  )

  it.scopedLive("copies again in the same second, beside the first", () =>
    Effect.gen(function* () {
      const { databases } = yield* homeWith()
      const copies = yield* Effect.all([databases.backup("models.db"), databases.backup("models.db")])
      assert.strictEqual(new Set(copies.map(({ path }) => path)).size, 2)
      assert.strictEqual((yield* databases.state("models.db")).backup, copies[1].path)
    })
  )

  it.scopedLive("copies the registry too", () =>
    Effect.gen(function* () {
      const { beehives, databases } = yield* homeWith()
      yield* Effect.provide(
        Effect.flatMap(NodeRegistry, ({ add }) => add(node())),
        nodeRegistrySql(beehives)
      )
      const { database, rows } = yield* databases.backup("beehives.db")
      assert.deepStrictEqual([database, rows], ["beehives.db", 1])
    })
  )

  it.scopedLive("leaves nothing where it fails", () =>
    Effect.gen(function* () {
      const { home, file, databases } = yield* homeWith()
      const bytes = Fs.readFileSync(file)
      Fs.writeFileSync(file, bytes.subarray(0, bytes.length - 4096))
      assert.strictEqual((yield* Effect.flip(databases.backup("models.db")))._tag, "CatalogUnavailable")
      assert.strictEqual((yield* Effect.flip(databases.backup("beehives.db")))._tag, "RegistryUnavailable")
      assert.deepStrictEqual(namesIn(Path.join(home, "backups")), [])
    })
  )

  it.scopedLive("leaves nothing where the folder of the backups is a file", () =>
    Effect.gen(function* () {
      const { home, databases } = yield* homeWith()
      Fs.writeFileSync(Path.join(home, "backups"), "")
      const error = yield* Effect.flip(databases.backup("models.db"))
      assert.instanceOf(error, CatalogUnavailable)
      assert.match(error.reason, /EEXIST/)
    })
  )
})

describe("Databases.restore", () => {
  it.scopedLive("a backup has all rows again, and what was there meanwhile is kept (Gap-F8)", () =>
    Effect.gen(function* () {
      const { file, databases, inCatalog } = yield* homeWith()
      const copy = yield* databases.backup("models.db")
      yield* inCatalog(({ put }) => put(second))
      const restored = yield* databases.restore(copy.path)
      assert.deepStrictEqual([restored.path, restored.rows], [file, 1])
      assert.deepStrictEqual(yield* inCatalog(({ list }) => list), [modelEntry()])
      assert.strictEqual(Fs.statSync(file).mode & 0o777, 0o600)
      // And back again.
      const { before } = restored
      assert.match(before ?? "", /models\.db\.before-restore\.\d{8}T\d{6}Z$/)
      yield* databases.restore(before ?? "")
      assert.lengthOf(yield* inCatalog(({ list }) => list), 2)
    })
  )

  it.scopedLive("in the place of a damaged one with its log, which is kept as it is", () =>
    Effect.gen(function* () {
      const { file, databases, inCatalog } = yield* homeWith()
      const copy = yield* databases.backup("models.db")
      Fs.writeFileSync(file, "garbage".repeat(1000))
      Fs.writeFileSync(`${file}-wal`, "the log of the damaged one")
      const { before } = yield* databases.restore(copy.path)
      assert.strictEqual(Fs.readFileSync(before ?? "", "utf8"), "garbage".repeat(1000))
      assert.strictEqual(Fs.readFileSync(`${before}-wal`, "utf8"), "the log of the damaged one")
      assert.deepStrictEqual(yield* inCatalog(({ list }) => list), [modelEntry()])
    })
  )

  it.scopedLive("where there is none, in another home too", () =>
    Effect.gen(function* () {
      const here = yield* homeWith()
      const there = yield* homeWith([])
      const copy = yield* here.databases.backup("models.db")
      assert.isNull((yield* there.databases.restore(copy.path)).before)
      assert.deepStrictEqual(yield* there.inCatalog(({ list }) => list), [modelEntry()])
    })
  )

  it.scopedLive("while another process has the database open is refused, and nothing changes", () =>
    Effect.gen(function* () {
      const { home, databases, inCatalog } = yield* homeWith()
      const copy = yield* databases.backup("models.db")
      yield* inCatalog((catalog) =>
        Effect.gen(function* () {
          yield* catalog.put(second)
          const names = namesIn(home)
          yield* failsWith(
            databases.restore(copy.path),
            new DatabaseInUse({ database: "models.db", daemon: null, pid: null })
          )
          assert.deepStrictEqual(namesIn(home), names)
          yield* catalog.remove("demo")
          assert.deepStrictEqual(yield* catalog.list, [second])
        })
      )
    })
  )

  const refused = (what: string, words: RegExp, write: (file: string, bytes: Buffer) => void) =>
    it.scopedLive(`${what} is refused, and nothing changes`, () =>
      Effect.gen(function* () {
        const { home, file, databases, inCatalog } = yield* homeWith()
        const given = Path.join(yield* tempDir, "given.db")
        write(given, Fs.readFileSync(file))
        const names = namesIn(home)
        const error = yield* Effect.flip(databases.restore(given))
        assert.instanceOf(error, BackupUnusable)
        assert.strictEqual(error.path, given)
        assert.match(error.reason, words)
        assert.deepStrictEqual(namesIn(home), names)
        assert.deepStrictEqual(yield* inCatalog(({ list }) => list), [modelEntry()])
      })
    )

  refused("a file that is none", /there is no such file/, () => undefined)
  refused("a folder", /there is no such file/, (file) => Fs.mkdirSync(file))
  refused("an empty file", /the file is empty/, (file) => Fs.writeFileSync(file, ""))
  refused("a text", /not a database/, (file) => Fs.writeFileSync(file, "text".repeat(1000)))
  refused("half a database", /malformed/, (file, bytes) => Fs.writeFileSync(file, bytes.subarray(0, 8192)))

  const refusedAfter = (what: string, words: RegExp, statement: string) =>
    it.scopedLive(`${what} is refused`, () =>
      Effect.gen(function* () {
        const { databases } = yield* homeWith()
        const { path } = yield* databases.backup("models.db")
        yield* Effect.scoped(Effect.flatMap(connect(path), (sql) => sql.unsafe(statement)))
        const error = yield* Effect.flip(databases.restore(path))
        assert.instanceOf(error, BackupUnusable)
        assert.match(error.reason, words)
      })
    )

  refusedAfter("somebody else's database", /no database of rbee's/, "ALTER TABLE models RENAME TO others")
  refusedAfter(
    "one of a newer rbee",
    /newer rbee/,
    "INSERT INTO effect_sql_migrations (migration_id, name) VALUES (99, 'x')"
  )
})

describe("Databases.state", () => {
  const stateOf = (databases: Databases["Type"], name: DatabaseName = "models.db") => databases.state(name)

  it.scopedLive("tells what is there, and reads only", () =>
    Effect.gen(function* () {
      const { home, file, databases } = yield* homeWith()
      const bytes = Fs.readFileSync(file)
      const found = { database: "models.db" as const, path: file, exists: true, rows: 1 }
      assert.deepStrictEqual(yield* stateOf(databases), {
        ...found,
        problem: null,
        damaged: false,
        set_aside: [],
        backup: null
      })
      assert.deepStrictEqual(yield* databases.models, [modelEntry()])
      assert.isTrue(Fs.readFileSync(file).equals(bytes))
      const none = yield* stateOf(databases, "beehives.db")
      assert.deepStrictEqual([none.exists, none.rows, none.problem], [false, null, null])
      assert.isFalse(Fs.existsSync(Path.join(home, "beehives.db")))
    })
  )

  it.scopedLive("tells of damage, of what was set aside, and of the newest backup", () =>
    Effect.gen(function* () {
      const { home, file, databases } = yield* homeWith()
      const { path } = yield* databases.backup("models.db")
      Fs.writeFileSync(`${file}.corrupt.20261121T190000Z`, "")
      Fs.writeFileSync(`${file}.corrupt.20261121T190000Z-wal`, "")
      Fs.writeFileSync(file, "garbage".repeat(1000))
      const { problem, damaged, rows, set_aside, backup } = yield* stateOf(databases)
      assert.deepStrictEqual([problem, damaged, rows], ["file is not a database", true, null])
      assert.deepStrictEqual(set_aside, [Path.join(home, "models.db.corrupt.20261121T190000Z")])
      assert.strictEqual(backup, path)
      assert.strictEqual((yield* Effect.flip(databases.models))._tag, "CatalogUnavailable")
    })
  )

  it.scopedLive("a database in another one's place is wrong", () =>
    Effect.gen(function* () {
      const { file, beehives, databases } = yield* homeWith()
      Fs.copyFileSync(file, beehives)
      const { problem, damaged } = yield* stateOf(databases, "beehives.db")
      assert.deepStrictEqual([problem, damaged], ["it is a models.db", false])
    })
  )

  it.scopedLive("where there is nothing yet, there are no models", () =>
    Effect.gen(function* () {
      const { databases } = yield* homeWith([])
      assert.deepStrictEqual(yield* databases.models, [])
    })
  )
})
