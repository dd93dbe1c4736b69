/** Logs on the disk: read, followed over rotations, and rotated by those who write them. */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LogsLive } from "../../src/layers/LogsLive.js"
import { rotate } from "../../src/layers/logs/rotate.js"
import { Logs } from "../../src/services/Logs.js"
import { logsContract } from "../contracts/Logs.js"
import { soon } from "../support/tcp.js"
import { homeAt, tempDir } from "../support/tempDir.js"

const withHome = <A, E>(test: (folder: string, logs: Logs["Type"]) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const home = yield* tempDir
    const folder = Path.join(home, "logs")
    Fs.mkdirSync(folder)
    return yield* Effect.flatMap(Logs, (logs) => test(folder, logs)).pipe(
      Effect.provide(LogsLive),
      Effect.provide(homeAt(home))
    )
  }).pipe(Effect.scoped)

const append = (path: string, ...lines: ReadonlyArray<string>) =>
  Fs.appendFileSync(path, lines.map((line) => `${line}\n`).join(""), { mode: 0o600 })

logsContract("LogsLive", (test) =>
  Effect.gen(function* () {
    const home = yield* tempDir
    const folder = Path.join(home, "logs")
    const write = (of: string | null, line: string) =>
      Effect.sync(() => {
        Fs.mkdirSync(folder, { recursive: true })
        append(Path.join(folder, of === null ? "hive.log" : `worker-${of}.log`), line)
      })
    yield* test({ write }).pipe(Effect.provide(LogsLive), Effect.provide(homeAt(home)))
  }).pipe(Effect.scoped)
)

/** The newest lines of the hive's log, as they are at the moment. */
const newest = (logs: Logs["Type"], lines: number) =>
  logs.open({ worker: null, lines, follow: false }).pipe(
    Effect.flatMap((found) => Stream.runCollect(Option.getOrElse(found, () => Stream.empty))),
    Effect.map((found) => [...found]),
    Effect.scoped
  )

/** Follows the hive's log until it has told so many lines. */
const follow = (logs: Logs["Type"], lines: number, count: number) =>
  logs.open({ worker: null, lines, follow: true }).pipe(
    Effect.flatMap((found) => Stream.runCollect(Stream.take(Option.getOrThrow(found), count))),
    Effect.map((found) => [...found]),
    Effect.scoped
  )

/** Rotates the log as its writer does. */
const rotateNow = (path: string) => {
  const fd = Fs.openSync(path, "a")
  assert.isTrue(rotate(path, fd, 1, Date.now()))
  Fs.closeSync(fd)
}

const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `${from + index}`)

describe("reading logs", () => {
  it.live("the newest lines reach back over rotations, and over pieces of the file", () =>
    withHome((folder, logs) =>
      Effect.gen(function* () {
        const path = Path.join(folder, "hive.log")
        append(path, ...numbered(0, 30_000)) // larger than one piece
        rotateNow(path)
        append(path, ...numbered(30_000, 30_010))
        rotateNow(path)
        assert.deepStrictEqual(yield* newest(logs, 5), numbered(30_005, 30_010)) // nothing is in the file itself
        append(path, ...numbered(30_010, 30_012))
        for (const lines of [1, 2, 3, 12, 13, 20_000]) {
          assert.deepStrictEqual(yield* newest(logs, lines), numbered(30_012 - lines, 30_012))
        }
        assert.lengthOf(yield* newest(logs, 100_000), 30_012)
      })
    )
  )

  it.live("a last line that has no end yet is shown, and followed to its end", () =>
    withHome((folder, logs) =>
      Effect.gen(function* () {
        const path = Path.join(folder, "hive.log")
        Fs.writeFileSync(path, "one\ntwo")
        assert.deepStrictEqual(yield* newest(logs, 1), ["two"])
        const following = yield* Effect.fork(follow(logs, 1, 2))
        yield* Effect.yieldNow()
        Fs.appendFileSync(path, " words\nthree\n")
        assert.deepStrictEqual(yield* soon(Fiber.join(following)), ["two words", "three"])
      })
    )
  )

  it.live("who follows misses no line of a log that is rotated, removed or emptied, and sees none twice", () =>
    withHome((folder, logs) =>
      Effect.gen(function* () {
        const path = Path.join(folder, "hive.log")
        append(path, "0", "1")
        const found = yield* logs.open({ worker: null, lines: 1, follow: true })
        const pull = yield* Stream.toPull(Option.getOrThrow(found))
        const next = (count: number) =>
          soon(
            Effect.iterate([] as ReadonlyArray<string>, {
              while: (seen) => seen.length < count,
              body: (seen) => Effect.map(pull, (more) => [...seen, ...Chunk.toReadonlyArray(more)])
            })
          )
        assert.deepStrictEqual(yield* next(1), ["1"])
        append(path, "2")
        rotateNow(path)
        append(path, "3")
        rotateNow(path)
        rotateNow(path) // empty: nothing is done
        append(path, "4")
        assert.deepStrictEqual(yield* next(3), ["2", "3", "4"])
        append(path, "5")
        Fs.rmSync(path)
        append(path, "6")
        assert.deepStrictEqual(yield* next(2), ["5", "6"])
        Fs.truncateSync(path, 0)
        assert.isTrue(Option.isNone(yield* Effect.option(Effect.timeout(next(1), "50 millis"))))
        append(path, "7")
        assert.deepStrictEqual(yield* next(1), ["7"])
      }).pipe(Effect.scoped)
    )
  )
})

/** Runs a process that logs, with the log as its stderr, and waits for its end. */
const logger = (path: string, bytes: number, count: number) =>
  Effect.promise(
    () =>
      new Promise<number | null>((resolve) => {
        const log = Fs.openSync(path, "a", 0o600)
        const program = fileURLToPath(new URL("../support/logWriter.ts", import.meta.url))
        const args = ["--import", "tsx", program, path, `${bytes}`, `${count}`]
        spawn(process.execPath, args, { stdio: ["ignore", "ignore", log] }).once("close", resolve)
        Fs.closeSync(log)
      })
  )

/** The numbers of the lines that are in these files, in order. */
const numbersIn = (paths: ReadonlyArray<string>) =>
  paths
    .flatMap((path) => Fs.readFileSync(path, "utf8").trimEnd().split("\n"))
    .map((line) => Number(/line (\d+)/.exec(line)?.[1]))

describe("rotation", () => {
  const bytes = 60_000
  const files = (path: string) => [`${path}.3`, `${path}.2`, `${path}.1`, path]
  const isContiguous = (numbers: ReadonlyArray<number>, last: number) =>
    assert.deepStrictEqual(
      numbers,
      numbers.map((_, index) => last - numbers.length + 1 + index)
    )

  it.live("a process rotates its own log: no line is lost, none is missed by who follows", () =>
    withHome((folder, logs) =>
      Effect.gen(function* () {
        const path = Path.join(folder, "hive.log")
        const count = 1500 // of about 140 bytes each: three rotations, and nothing is dropped yet
        append(path, "begin")
        const following = yield* Effect.fork(follow(logs, 0, count))
        assert.strictEqual(yield* logger(path, bytes, count), 0)
        const seen = (yield* Effect.timeout(Fiber.join(following), "20 seconds")).map((line) =>
          Number(/line (\d+)/.exec(line)?.[1])
        )
        assert.lengthOf(seen, count)
        isContiguous(seen, count - 1)
        const [first, ...numbers] = numbersIn(files(path))
        assert.isNaN(first)
        assert.lengthOf(numbers, count)
        isContiguous(numbers, count - 1)
        for (const file of files(path)) {
          const { mode, size } = Fs.statSync(file)
          assert.strictEqual(mode & 0o777, 0o600)
          assert.isBelow(size, bytes + 300)
        }
      })
    )
  )

  it.live("the oldest lines go, and the newest stay without a gap", () =>
    withHome((folder) =>
      Effect.gen(function* () {
        const path = Path.join(folder, "hive.log")
        assert.strictEqual(yield* logger(path, 20_000, 3000), 0)
        assert.deepStrictEqual(
          Fs.readdirSync(folder).sort(),
          files(path)
            .map((file) => Path.basename(file))
            .sort()
        )
        const numbers = numbersIn(files(path))
        assert.isAbove(numbers.length, 300)
        isContiguous(numbers, 2999)
      })
    )
  )
})
