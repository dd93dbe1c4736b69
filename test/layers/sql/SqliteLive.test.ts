/** What becomes of a database that was damaged, of one whose writer was killed, and of one that only cannot be opened. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { connect } from "../../../src/layers/sql/connection.js"
import { ModelCatalogSql } from "../../../src/layers/sql/ModelCatalogSql.js"
import { ModelCatalog } from "../../../src/services/ModelCatalog.js"
import { catalogWriter } from "../../support/catalogWriters.js"
import { modelEntry } from "../../support/samples.js"
import { homeAt, tempDir } from "../../support/tempDir.js"

const entry = (n: number) =>
  modelEntry({ id: `m-${n}`, provider: "file", reference: `file:///models/${`${n}`.padStart(4, "0")}.gguf` })

const openedIn = <A, E>(home: string, use: (catalog: ModelCatalog["Type"]) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(ModelCatalog, use), Layer.provide(ModelCatalogSql, homeAt(home)))

/** The same, with what was logged as a warning. */
const warningsOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const warnings: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel._tag === "Warning") warnings.push(String(message))
    })
    const answer = yield* Effect.provide(effect, Logger.replace(Logger.defaultLogger, logger))
    return { answer, warnings }
  })

/** The same, where what is logged does not matter. */
const quietly = <A, E>(effect: Effect.Effect<A, E>) => Effect.map(warningsOf(effect), ({ answer }) => answer)

const namesIn = (folder: string) => Fs.readdirSync(folder).sort()
const asideIn = (home: string) => namesIn(home).filter((name) => name.includes(".corrupt."))

/** A home whose catalog has 200 rows. */
const filledHome = Effect.gen(function* () {
  const home = yield* tempDir
  yield* openedIn(home, ({ put }) =>
    Effect.forEach(
      Array.from({ length: 200 }, (_, n) => entry(n)),
      put
    )
  )
  return { home, file: Path.join(home, "models.db") }
})

const flipped = (bytes: Buffer, from: number, length: number) => {
  const copy = Buffer.from(bytes)
  for (let at = from; at < from + length; at += 1) copy.writeUInt8(copy.readUInt8(at) ^ 0xff, at)
  return copy
}

describe("a damaged database is set aside, byte for byte, and a fresh one works", () => {
  const damages: Readonly<Record<string, (bytes: Buffer) => Buffer>> = {
    "another file in its place": () => Buffer.from("no database".repeat(500)),
    "truncated in the middle of a page": (bytes) => bytes.subarray(0, bytes.length / 2 + 1000),
    "truncated between two pages": (bytes) => bytes.subarray(0, 4096 * 2),
    "truncated within the header": (bytes) => bytes.subarray(0, 50),
    "truncated to nothing": () => Buffer.alloc(0),
    "flipped bytes in the header": (bytes) => flipped(bytes, 0, 4),
    "flipped bytes in the table's root page": (bytes) => flipped(bytes, 4096 * 3, 64),
    "a page of zeros": (bytes) => Buffer.from(bytes).fill(0, 4096 * 4, 4096 * 5)
  }
  for (const [name, damage] of Object.entries(damages)) {
    it.scopedLive(name, () =>
      Effect.gen(function* () {
        const { home, file } = yield* filledHome
        const damaged = damage(Fs.readFileSync(file))
        Fs.writeFileSync(file, damaged)

        const { warnings, answer } = yield* warningsOf(
          openedIn(home, (catalog) => Effect.zipRight(catalog.put(entry(1)), catalog.list))
        )
        assert.deepStrictEqual(answer, [entry(1)])

        const [aside = "", ...others] = asideIn(home).filter((one) => !/-(wal|shm)$/.test(one))
        assert.deepStrictEqual(others, [])
        assert.match(aside, /^models\.db\.corrupt\.\d{8}T\d{6}Z$/)
        assert.isTrue(Fs.readFileSync(Path.join(home, aside)).equals(damaged))

        assert.lengthOf(warnings, 1)
        assert.include(warnings[0], "models.db is damaged (")
        assert.include(warnings[0], Path.join(home, aside))
        assert.include(warnings[0], "rbee catalog check")

        // It is in order from now on.
        const again = yield* warningsOf(openedIn(home, ({ list }) => list))
        assert.deepStrictEqual(again, { answer: [entry(1)], warnings: [] })
      })
    )
  }

  it.scopedLive("with the log that was beside it, as after a crash", () =>
    Effect.gen(function* () {
      const { home, file } = yield* filledHome
      const crashed = yield* openedIn(home, ({ put }) =>
        Effect.zipRight(
          put(entry(300)),
          Effect.sync(() => ({ file: Fs.readFileSync(file), log: Fs.readFileSync(`${file}-wal`) }))
        )
      )
      assert.isAbove(crashed.log.length, 0)
      const damaged = flipped(crashed.file, 0, 16)
      Fs.writeFileSync(file, damaged)
      Fs.writeFileSync(`${file}-wal`, crashed.log)
      assert.deepStrictEqual(yield* quietly(openedIn(home, ({ list }) => list)), [])
      const [aside = ""] = asideIn(home)
      assert.isTrue(Fs.readFileSync(Path.join(home, aside)).equals(damaged))
      assert.isTrue(Fs.readFileSync(Path.join(home, `${aside}-wal`)).equals(crashed.log))
    })
  )

  it.scopedLive("an emptied one keeps its log as well, which SQLite would throw away", () =>
    Effect.gen(function* () {
      const { home, file } = yield* filledHome
      Fs.writeFileSync(file, "")
      Fs.writeFileSync(`${file}-wal`, "what was in the log")
      assert.deepStrictEqual(yield* quietly(openedIn(home, ({ list }) => list)), [])
      const [aside = ""] = asideIn(home)
      assert.strictEqual(Fs.readFileSync(Path.join(home, `${aside}-wal`), "utf8"), "what was in the log")
    })
  )

  it.scopedLive("a second one beside the first, never over it", () =>
    Effect.gen(function* () {
      const { home, file } = yield* filledHome
      for (const text of ["first", "second", "third"]) {
        Fs.writeFileSync(file, text.repeat(1000))
        yield* quietly(openedIn(home, ({ list }) => list))
      }
      const kept = asideIn(home).filter((one) => !/-(wal|shm)$/.test(one))
      const texts = kept.map((name) => Fs.readFileSync(Path.join(home, name), "utf8").slice(0, 5))
      assert.deepStrictEqual(texts, ["first", "secon", "third"])
    })
  )
})

describe("a database that only cannot be opened is an error, and stays where it is", () => {
  it.scopedLive("a folder in the file's place", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      Fs.mkdirSync(Path.join(home, "models.db"))
      const error = yield* Effect.flip(openedIn(home, ({ list }) => list))
      assert.deepStrictEqual([error._tag, error.database], ["CatalogUnavailable", "models.db"])
      assert.deepStrictEqual(namesIn(home), ["models.db"])
    })
  )

  it.scopedLive("one that another process has to itself, within seconds", () =>
    Effect.gen(function* () {
      const { home, file } = yield* filledHome
      const foreign = yield* connect(file)
      yield* foreign`PRAGMA locking_mode = EXCLUSIVE`
      yield* foreign`BEGIN EXCLUSIVE`
      const error = yield* Effect.flip(openedIn(home, ({ list }) => list))
      assert.deepStrictEqual([error._tag, error.reason], ["CatalogUnavailable", "database is locked"])
      assert.deepStrictEqual(asideIn(home), [])
    })
  )
})

describe("a writer that is killed", () => {
  it.scopedLive(
    "30 times leaves a whole database with every row that was acknowledged",
    () =>
      Effect.gen(function* () {
        const home = yield* tempDir
        const acknowledged = new Set<string>()
        yield* Effect.forEach(
          Array.from({ length: 30 }, (_, round) => round),
          (round) =>
            Effect.gen(function* () {
              const writer = yield* catalogWriter(home, `round-${round}`, 1_000_000)
              yield* writer.begun
              yield* Effect.sleep(round * 3) // at another moment every time
              yield* writer.kill
              const written = yield* writer.ended
              assert.isNull(written.code, written.errors)
              assert.isNotEmpty(written.acknowledged)
              for (const n of written.acknowledged) acknowledged.add(`file:///models/round-${round}-${n}.gguf`)
            }),
          { concurrency: 2 } // the one that goes on finds the file as the one that was killed left it
        )
        const { answer, warnings } = yield* warningsOf(openedIn(home, ({ list }) => list))
        assert.deepStrictEqual(warnings, [])
        const found = new Set(answer.map(({ reference }) => reference))
        assert.deepStrictEqual(
          [...acknowledged].filter((reference) => !found.has(reference)),
          []
        )
      }),
    60_000
  )
})
