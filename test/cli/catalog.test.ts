import { assert, describe, it } from "@effect/vitest"
import { copyText, reportText, restoredText } from "../../src/cli/render/catalog.js"
import type { DatabaseState } from "../../src/services/Databases.js"

const state = (given: Partial<DatabaseState> = {}): DatabaseState => ({
  database: "models.db",
  path: "/home/bee/.rbee/models.db",
  exists: true,
  rows: 2,
  problem: null,
  damaged: false,
  set_aside: [],
  backup: null,
  ...given
})
const none = state({ database: "beehives.db", exists: false, rows: null })
const damaged = { rows: null, problem: "database disk image is malformed", damaged: true }
const backup = "/home/bee/.rbee/backups/models-20261121T190000Z.db"

const linesOf = (...databases: ReadonlyArray<DatabaseState>) =>
  reportText({ sound: databases.every(({ problem }) => problem === null), databases, lost_models: [] }).split("\n")

describe("what catalog backup and restore print", () => {
  const copy = { database: "models.db", path: backup, rows: 1, size_bytes: 16_384 } as const

  it("a copy", () => {
    assert.strictEqual(copyText(copy), `models.db  backed up and verified: 1 row, 16.4 kB\n  ${backup}\n`)
    assert.include(copyText({ ...copy, rows: 0, size_bytes: 2_500_000 }), "0 rows, 2.5 MB")
  })

  it("what was restored, and where the one before it is", () => {
    assert.strictEqual(
      restoredText(backup, { ...copy, before: "/home/bee/.rbee/models.db.before-restore.20261121T190001Z" }),
      [
        "models.db  restored and verified: 1 row",
        `  from         ${backup}`,
        "  before that  /home/bee/.rbee/models.db.before-restore.20261121T190001Z",
        ""
      ].join("\n")
    )
    assert.notInclude(restoredText(backup, { ...copy, before: null }), "before that")
  })
})

describe("what catalog check prints", () => {
  it("a machine in order", () => {
    assert.deepStrictEqual(linesOf(none, state()), [
      "beehives.db  not there yet",
      "models.db  whole, 2 rows",
      "Everything is in order.",
      ""
    ])
  })

  it("a damaged catalog and the newest backup", () => {
    assert.deepStrictEqual(linesOf(state({ ...damaged, backup })), [
      "models.db  cannot be used: database disk image is malformed",
      "  Go on without it: the next hive sets it aside and finds the models on the disk again.",
      "  Go back to the newest backup:",
      `    rbee hive stop; rbee catalog restore ${backup}`,
      "Something is wrong.",
      ""
    ])
  })

  it("a damaged registry without a backup", () => {
    assert.deepStrictEqual(linesOf(state({ ...damaged, database: "beehives.db" })), [
      "beehives.db  cannot be used: database disk image is malformed",
      "  Go on without it: the next queen sets it aside and begins a fresh one, without nodes.",
      "  There is no backup of it. To make one at any time: rbee catalog backup",
      "Something is wrong.",
      ""
    ])
  })

  it("one that only cannot be opened: no word of going back to a backup", () => {
    assert.deepStrictEqual(linesOf(state({ rows: null, problem: "unable to open database file", backup })), [
      "models.db  cannot be used: unable to open database file",
      "  Check that the file and its folder are yours, and what else uses it.",
      "Something is wrong.",
      ""
    ])
  })

  it("one that took the place of a damaged one", () => {
    const set_aside = ["/home/bee/.rbee/models.db.corrupt.20261121T190000Z"]
    assert.deepStrictEqual(linesOf(state({ set_aside, backup })), [
      "models.db  whole, 2 rows",
      `  A damaged one is kept, until you delete it: ${set_aside[0]}`,
      "  Go back to the newest backup:",
      `    rbee hive stop; rbee catalog restore ${backup}`,
      "Everything is in order.",
      ""
    ])
  })

  it("models that are not there as the catalog says", () => {
    const model = { reference: "hf:org/repo", local_path: "/models/a.gguf", size_bytes: 10 }
    const text = reportText({
      sound: false,
      databases: [],
      lost_models: [
        { ...model, found_bytes: null },
        { ...model, found_bytes: 9 }
      ]
    })
    assert.include(text, "hf:org/repo  is gone\n  /models/a.gguf\n")
    assert.include(text, "hf:org/repo  has 9 bytes, not 10\n")
    assert.match(text, /Something is wrong\.\n$/)
  })
})
