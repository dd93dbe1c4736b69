/** Backing up, restoring and checking what rbee keeps on record. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { BackupUnusable, DatabaseInUse, RegistryUnavailable } from "../../src/domain/errors/Hive.js"
import { ProcessIdentity } from "../../src/domain/Process.js"
import { backupDatabases } from "../../src/programs/backupDatabases.js"
import { checkDatabases } from "../../src/programs/checkDatabases.js"
import { restoreDatabase } from "../../src/programs/restoreDatabase.js"
import type { DatabaseCopy } from "../../src/services/Databases.js"
import { DaemonsTest } from "../../src/testing/DaemonsTest.js"
import { DatabasesTest, type DatabasesTestOptions } from "../../src/testing/DatabasesTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { mb, modelEntry } from "../support/samples.js"

const withDatabases = (options: DatabasesTestOptions) => Effect.provide(DatabasesTest.layer(options))

const home = "/home/bee/.rbee"
const copy: DatabaseCopy = { database: "models.db", path: "/mnt/models-old.db", rows: 3, size_bytes: 20_480 }

describe("backupDatabases", () => {
  it.effect("copies every database that there is", () =>
    Effect.gen(function* () {
      const copies = yield* backupDatabases
      assert.deepStrictEqual(
        copies.map(({ database, rows }) => [database, rows]),
        [
          ["beehives.db", 2],
          ["models.db", 1]
        ]
      )
      assert.deepStrictEqual(
        yield* lines,
        copies.map(({ database, path }) => `Backed up ${database}: ${path}`)
      )
    }).pipe(withDatabases({ states: { "beehives.db": { rows: 2 }, "models.db": {} } }), inWorld())
  )

  it.effect("where there is none, none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* backupDatabases, [])
    }).pipe(withDatabases({}), inWorld())
  )

  it.effect("one that is damaged fails, after the others were copied", () =>
    Effect.gen(function* () {
      yield* failsWith(
        backupDatabases,
        new RegistryUnavailable({ database: "beehives.db", reason: "file is not a database" })
      )
      assert.deepStrictEqual(yield* lines, [`Backed up models.db: ${home}/backups/models-1.db`])
    }).pipe(
      withDatabases({ states: { "beehives.db": { problem: "file is not a database" }, "models.db": {} } }),
      inWorld()
    )
  )
})

describe("restoreDatabase", () => {
  it.effect("puts the copy in its database's place and says where the old one is", () =>
    Effect.gen(function* () {
      const restored = yield* restoreDatabase(copy.path)
      const before = `${home}/models.db.before-restore.1`
      assert.deepStrictEqual(restored, { ...copy, path: `${home}/models.db`, before })
      assert.deepStrictEqual(yield* (yield* DatabasesTest).restored, [copy])
      assert.deepStrictEqual(yield* lines, [
        `Kept the models.db that was there: ${before}`,
        `Restored models.db from ${copy.path}`
      ])
    }).pipe(withDatabases({ states: { "models.db": {} }, copies: [copy] }), inWorld())
  )

  it.effect("is refused while the daemon runs that has it open, and says which", () =>
    Effect.gen(function* () {
      const { identity } = yield* (yield* ProcessesTest).begin()
      yield* (yield* DaemonsTest).recorded("hive", { identity, host: "127.0.0.1", port: 1, token: Option.none() })
      yield* failsWith(
        restoreDatabase(copy.path),
        new DatabaseInUse({ database: "models.db", daemon: "hive", pid: identity.pid })
      )
      assert.deepStrictEqual(yield* (yield* DatabasesTest).restored, [])
    }).pipe(withDatabases({ states: { "models.db": {} }, copies: [copy] }), inWorld())
  )

  it.effect("goes on while another daemon runs, or one that is gone left its record", () =>
    Effect.gen(function* () {
      const { identity } = yield* (yield* ProcessesTest).begin()
      const daemons = yield* DaemonsTest
      const gone = ProcessIdentity.make({ pid: 1, started: "0", boot_id: "before" })
      yield* daemons.recorded("queen", { identity, host: "127.0.0.1", port: 1, token: Option.none() })
      yield* daemons.recorded("hive", { identity: gone, host: "127.0.0.1", port: 2, token: Option.none() })
      yield* restoreDatabase(copy.path)
      assert.deepStrictEqual(yield* lines, [`Restored models.db from ${copy.path}`])
    }).pipe(withDatabases({ copies: [copy] }), inWorld())
  )

  it.effect("of a file that is none is refused", () =>
    failsWith(
      restoreDatabase("/nowhere.db"),
      new BackupUnusable({ path: "/nowhere.db", reason: "there is no such file" })
    ).pipe(withDatabases({}), inWorld())
  )
})

describe("checkDatabases", () => {
  const there = modelEntry()
  const gone = modelEntry({ reference: "file:///gone.gguf", local_path: "/gone.gguf" })
  const other = modelEntry({ reference: "file:///other.gguf", local_path: "/other.gguf", size_bytes: 2 * mb })

  it.effect("nothing is wrong", () =>
    Effect.gen(function* () {
      const { sound, databases, lost_models } = yield* checkDatabases
      assert.deepStrictEqual([sound, lost_models], [true, []])
      assert.deepStrictEqual(
        databases.map(({ database, exists, rows }) => [database, exists, rows]),
        [
          ["beehives.db", false, null],
          ["models.db", true, 1],
          ["workers.db", false, null]
        ]
      )
    }).pipe(withDatabases({ states: { "models.db": {} }, models: [there] }), inWorld({ models: [there] }))
  )

  it.effect("models that are gone, or of another size", () =>
    Effect.gen(function* () {
      const { sound, lost_models } = yield* checkDatabases
      assert.isFalse(sound)
      assert.deepStrictEqual(
        lost_models.map(({ reference, found_bytes }) => [reference, found_bytes]),
        [
          [gone.reference, null],
          [other.reference, mb]
        ]
      )
    }).pipe(
      withDatabases({ states: { "models.db": {} }, models: [there, gone, other] }),
      inWorld({ models: [there], files: { "/other.gguf": { size_bytes: mb } } })
    )
  )

  it.effect("a damaged catalog is told of, and its rows are not looked for", () =>
    Effect.gen(function* () {
      const { sound, databases, lost_models } = yield* checkDatabases
      assert.deepStrictEqual([sound, lost_models], [false, []])
      assert.strictEqual(databases[1]?.problem, "file is not a database")
    }).pipe(
      withDatabases({ states: { "models.db": { problem: "file is not a database" } }, models: [gone] }),
      inWorld()
    )
  )

  it.effect("a registry that is damaged is wrong by itself", () =>
    Effect.gen(function* () {
      assert.isFalse((yield* checkDatabases).sound)
    }).pipe(withDatabases({ states: { "beehives.db": { problem: "malformed" } } }), inWorld())
  )
})
