/** The layers that read and write files: model files, workers' files, partial results; and random names. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { WorkerId } from "../../src/domain/Ids.js"
import { version } from "../../src/domain/Version.js"
import { InstallationLive } from "../../src/layers/InstallationLive.js"
import { ModelFilesLive } from "../../src/layers/ModelFilesLive.js"
import { PartialResultsLive } from "../../src/layers/PartialResultsLive.js"
import { writePrivate } from "../../src/layers/privateFile.js"
import { TokensLive } from "../../src/layers/TokensLive.js"
import { WorkerFilesLive } from "../../src/layers/WorkerFilesLive.js"
import { ModelFiles } from "../../src/services/ModelFiles.js"
import { PartialResults } from "../../src/services/PartialResults.js"
import { Tokens } from "../../src/services/Tokens.js"
import { WorkerFiles } from "../../src/services/WorkerFiles.js"
import { hosted } from "../support/samples.js"
import { homeAt, tempDir } from "../support/tempDir.js"

const modeOf = (path: string) => Fs.statSync(path).mode & 0o777

describe("ModelFilesLive", () => {
  const withFolder = <A, E>(test: (files: ModelFiles["Type"], folder: string) => Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      return yield* test(yield* ModelFiles, yield* tempDir)
    }).pipe(Effect.scoped, Effect.provide(ModelFilesLive))

  it.live("the package's own model is there, and is one", () =>
    withFolder((files) =>
      Effect.gen(function* () {
        assert.isTrue(Option.isSome(yield* files.stat(files.demo)))
        assert.strictEqual((yield* files.inspect(files.demo)).name, "rbee tiny stories")
      })
    )
  )

  it.live("a regular file with its size; a link as what it leads to", () =>
    withFolder((files, folder) =>
      Effect.gen(function* () {
        const [file, link] = [Path.join(folder, "m.gguf"), Path.join(folder, "link.gguf")]
        Fs.writeFileSync(file, "GGUF....")
        Fs.symlinkSync(file, link)
        const expected = Option.some({ path: Fs.realpathSync(file), size_bytes: 8 })
        assert.deepStrictEqual(yield* files.stat(file), expected)
        assert.deepStrictEqual(yield* files.stat(link), expected)
      })
    )
  )

  it.live("what is no regular file is none: nothing, a folder, a device, a dead link", () =>
    withFolder((files, folder) =>
      Effect.gen(function* () {
        Fs.symlinkSync("/no/such/file", Path.join(folder, "dead.gguf"))
        for (const path of ["/no/such/file", folder, "/dev/zero", Path.join(folder, "dead.gguf")]) {
          assert.isTrue(Option.isNone(yield* files.stat(path)), path)
        }
      })
    )
  )

  it.live("a split model by its first file, with the size of all", () =>
    withFolder((files, folder) =>
      Effect.gen(function* () {
        const part = (number: number) => Path.join(folder, `m-0000${number}-of-00003.gguf`)
        Fs.writeFileSync(part(1), "GGUF")
        Fs.writeFileSync(part(3), "GGUF.")
        assert.isTrue(Option.isNone(yield* files.stat(part(1))))
        Fs.writeFileSync(part(2), "GGUF..")
        Fs.symlinkSync(part(1), Path.join(folder, "link.gguf"))
        const expected = Option.some({ path: Fs.realpathSync(part(1)), size_bytes: 15 })
        assert.deepStrictEqual(yield* files.stat(part(1)), expected)
        assert.deepStrictEqual(yield* files.stat(Path.join(folder, "link.gguf")), expected)
      })
    )
  )

  it.live("why a file is no model, in words that name no path", () =>
    withFolder((files, folder) =>
      Effect.gen(function* () {
        const path = Path.join(folder, "m.gguf")
        Fs.writeFileSync(path, "PK\x03\x04")
        const refusals = yield* Effect.forEach([path, folder, "/no/such/file"], (one) =>
          Effect.flip(files.inspect(one))
        )
        assert.deepStrictEqual(
          refusals.map(({ reason }) => reason),
          ["it does not begin as a GGUF file does", "it is no regular file", "it cannot be read: ENOENT"]
        )
      })
    )
  )
})

describe("WorkerFilesLive", () => {
  const id = WorkerId.make("w-1")
  const withHome = <A, E>(test: (files: WorkerFiles["Type"], home: string) => Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const live = Layer.provide(WorkerFilesLive, Layer.merge(homeAt(home), InstallationLive))
      return yield* Effect.flatMap(WorkerFiles, (files) => test(files, home)).pipe(Effect.provide(live))
    }).pipe(Effect.scoped)

  it.live("the key is written for our eyes only, in a folder for us alone", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        const path = yield* files.writeKey(id, Redacted.make("key-1"))
        assert.strictEqual(path, Path.join(home, "run", "w-1.key"))
        assert.strictEqual(Fs.readFileSync(path, "utf8"), "key-1")
        assert.deepStrictEqual([modeOf(path), modeOf(Path.dirname(path))], [0o600, 0o700])
      })
    )
  )

  it.live("a key is written over an older one, whatever that one's mode was", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        Fs.mkdirSync(Path.join(home, "run"))
        Fs.writeFileSync(Path.join(home, "run", "w-1.key"), "older and longer", { mode: 0o644 })
        const path = yield* files.writeKey(id, Redacted.make("key-1"))
        assert.deepStrictEqual([Fs.readFileSync(path, "utf8"), modeOf(path)], ["key-1", 0o600])
      })
    )
  )

  it.live("of the workers that have ended the newest 50 keep their logs, and those that run keep theirs", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        const logs = Path.join(home, "logs")
        Fs.mkdirSync(logs)
        const write = (name: string, age_s: number) => {
          const path = Path.join(logs, name)
          Fs.writeFileSync(path, "")
          Fs.utimesSync(path, 1_700_000_000 - age_s, 1_700_000_000 - age_s)
        }
        for (let nth = 1; nth <= 60; nth += 1) write(`worker-w-${nth}.log`, nth)
        for (const name of ["worker-w-60.log.1", "worker-w-60.log.3", "hive.log", "queen.log.1"]) write(name, 1000)
        yield* files.writeKey(WorkerId.make("w-59"), Redacted.make("key"))
        yield* files.remove(id)
        const left = Fs.readdirSync(logs).sort()
        const expected = Array.from({ length: 50 }, (_, index) => `worker-w-${index + 1}.log`)
        assert.deepStrictEqual(left, [...expected, "worker-w-59.log", "hive.log", "queen.log.1"].sort())
      })
    )
  )

  it.live("the record tells who the process is, and holds no key", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        yield* files.record(hosted())
        const path = Path.join(home, "run", "w-1.json")
        const text = Fs.readFileSync(path, "utf8")
        assert.strictEqual(modeOf(path), 0o600)
        assert.deepInclude(JSON.parse(text), {
          identity: { pid: 4001, started: "1", boot_id: "boot" },
          log_path: "/home/rbee/logs/worker-w-1.log"
        })
        assert.notInclude(text, "key-1")
      })
    )
  )

  it.live("what is on record is found again with its key; what is damaged, or has none, is not (Gap-F6)", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* files.recorded, [])
        yield* files.writeKey(id, Redacted.make("key-1"))
        yield* files.record(hosted())
        yield* files.record(hosted({ id: WorkerId.make("w-2") }))
        Fs.writeFileSync(Path.join(home, "run", "w-3.json"), "{")
        Fs.writeFileSync(Path.join(home, "run", "hive.json"), "{}")
        const { exit: _, ...expected } = hosted()
        assert.deepStrictEqual(yield* files.recorded, [expected])
      })
    )
  )

  it.live("a record that does not say what the worker was started for is one all the same", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        yield* files.writeKey(id, Redacted.make("key-1"))
        yield* files.record(hosted())
        const path = Path.join(home, "run", "w-1.json")
        const { origin: _, ...older } = JSON.parse(Fs.readFileSync(path, "utf8"))
        Fs.writeFileSync(path, JSON.stringify(older))
        assert.deepStrictEqual(
          (yield* files.recorded).map(({ origin }) => origin),
          [null]
        )
      })
    )
  )

  it.live("what a killed hive left half done is swept away, and nothing else", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        yield* files.sweep // no folder yet: nothing to do
        yield* files.writeKey(id, Redacted.make("key-1"))
        yield* files.record(hosted())
        yield* files.writeKey(WorkerId.make("w-2"), Redacted.make("key-2")) // killed before the launch
        yield* files.record(hosted({ id: WorkerId.make("w-3") })) // killed while it removed both
        for (const name of ["w-4.json", "w-5.key.1.tmp", "hive.json"])
          Fs.writeFileSync(Path.join(home, "run", name), "{")
        yield* files.sweep
        assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "run")).sort(), ["hive.json", "w-1.json", "w-1.key"])
      })
    )
  )

  it.live("key and record are removed, the log stays; nothing else is left (LIFE-10)", () =>
    withHome((files, home) =>
      Effect.gen(function* () {
        yield* files.writeKey(id, Redacted.make("key-1"))
        yield* files.record(hosted())
        Fs.mkdirSync(Path.join(home, "logs"))
        Fs.writeFileSync(files.logPath(id), "words")
        yield* files.remove(id)
        yield* files.remove(id)
        assert.deepStrictEqual(Fs.readdirSync(Path.join(home, "run")), [])
        assert.isTrue(Fs.existsSync(files.logPath(id)))
      })
    )
  )

  it.live("the worker of this package is this version, run by this Node", () =>
    withHome(({ builtIn }) =>
      Effect.sync(() => {
        assert.deepStrictEqual([builtIn.worker_type, builtIn.version], ["llm-worker-rbee", version])
        assert.strictEqual(builtIn.command[0], process.execPath)
        assert.deepStrictEqual(builtIn.command.slice(-2), ["worker", "serve"])
      })
    )
  )
})

describe("a private file", () => {
  it.scopedLive("that cannot be put in its place leaves nothing beside it", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      Fs.mkdirSync(Path.join(home, "taken"))
      const outcome = yield* Effect.exit(Effect.tryPromise(() => writePrivate(Path.join(home, "taken"), "text")))
      assert.isTrue(Exit.isFailure(outcome))
      assert.deepStrictEqual(Fs.readdirSync(home), ["taken"])
    })
  )
})

describe("PartialResultsLive", () => {
  const save = (home: string, text: string) =>
    Effect.flatMap(PartialResults, (results) => results.save(text)).pipe(
      Effect.provide(Layer.provide(PartialResultsLive, homeAt(home)))
    )

  it.live("the text is in a file for our eyes only", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const path = Option.getOrThrow(yield* save(home, "Once upon a 🐝"))
      assert.strictEqual(Path.dirname(path), Path.join(home, "partial"))
      assert.deepStrictEqual([Fs.readFileSync(path, "utf8"), modeOf(path)], ["Once upon a 🐝", 0o600])
    }).pipe(Effect.scoped)
  )

  it.effect("two results at the same moment are two files", () =>
    Effect.gen(function* () {
      const home = yield* tempDir
      const both = yield* Effect.all([save(home, "one"), save(home, "two")], { concurrency: 2 })
      const texts = both.map((path) => Fs.readFileSync(Option.getOrThrow(path), "utf8"))
      assert.deepStrictEqual(texts, ["one", "two"])
    }).pipe(Effect.scoped)
  )

  it.live("a disk that refuses is none, not a failure", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* save("/dev/null", "text")))
    })
  )
})

describe("TokensLive", () => {
  it.live("ids fit a worker's name, secrets fit a header and have 256 bits; no two are alike", () =>
    Effect.gen(function* () {
      const { id, secret } = yield* Tokens
      const ids = yield* Effect.replicateEffect(id, 100)
      for (const one of ids) assert.match(one, /^[a-z0-9-]{8,32}$/)
      const secrets = (yield* Effect.replicateEffect(secret, 100)).map(Redacted.value)
      for (const one of secrets) assert.match(one, /^[A-Za-z0-9_-]{43}$/)
      assert.strictEqual(new Set([...ids, ...secrets]).size, 200)
    }).pipe(Effect.provide(TokensLive))
  )
})
