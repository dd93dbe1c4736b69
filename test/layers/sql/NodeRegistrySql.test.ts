import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { RegistryUnavailable } from "../../../src/domain/errors/Hive.js"
import { nodeRegistrySql } from "../../../src/layers/sql/NodeRegistrySql.js"
import { NodeRegistry } from "../../../src/services/NodeRegistry.js"
import { nodeRegistryContract } from "../../contracts/NodeRegistry.js"
import { node, workstation } from "../../support/samples.js"
import { tempDir } from "../../support/tempDir.js"

const fileIn = (folder: string) => Path.join(folder, "deep", "beehives.db")

nodeRegistryContract(
  "nodeRegistrySql",
  Layer.unwrapScoped(Effect.map(tempDir, (folder) => nodeRegistrySql(fileIn(folder))))
)

const opened = <A, E>(file: string, use: (registry: NodeRegistry["Type"]) => Effect.Effect<A, E>) =>
  Effect.provide(Effect.flatMap(NodeRegistry, use), nodeRegistrySql(file))

describe("nodeRegistrySql", () => {
  it.scopedLive("a file that is opened again has its rows", () =>
    Effect.gen(function* () {
      const file = fileIn(yield* tempDir)
      yield* opened(file, (registry) => registry.add(node()))
      assert.deepStrictEqual(yield* opened(file, ({ find }) => find(workstation)), node())
      yield* opened(file, ({ remove }) => remove(workstation))
      assert.deepStrictEqual(yield* opened(file, ({ list }) => list), [])
    })
  )

  it.scopedLive("the folder is for its owner alone", () =>
    Effect.gen(function* () {
      const file = fileIn(yield* tempDir)
      yield* opened(file, ({ list }) => list)
      assert.strictEqual(Fs.statSync(Path.dirname(file)).mode & 0o777, 0o700)
    })
  )

  const refused = (file: string): Effect.Effect<RegistryUnavailable, unknown> =>
    Effect.flip(opened(file, ({ list }) => Effect.orDie(list)))

  it.scopedLive("a corrupt file is an error with SQLite's reason, not a defect", () =>
    Effect.gen(function* () {
      const file = fileIn(yield* tempDir)
      Fs.mkdirSync(Path.dirname(file))
      Fs.writeFileSync(file, "this is no database, however long one looks at it".repeat(100))
      const error = yield* refused(file)
      assert.deepStrictEqual([error._tag, error.database], ["RegistryUnavailable", "beehives.db"])
      assert.match(error.reason, /not a database/)
    })
  )

  it.scopedLive("a folder in the file's place is an error, not a defect", () =>
    Effect.gen(function* () {
      const file = fileIn(yield* tempDir)
      Fs.mkdirSync(file, { recursive: true })
      assert.strictEqual((yield* refused(file))._tag, "RegistryUnavailable")
    })
  )

  it.scopedLive("a folder that cannot be made is an error, not a defect", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      Fs.writeFileSync(Path.join(folder, "deep"), "a file")
      assert.strictEqual((yield* refused(fileIn(folder)))._tag, "RegistryUnavailable")
    })
  )

  it.scopedLive("a row that is none of ours is an error, not a defect", () =>
    Effect.gen(function* () {
      const file = fileIn(yield* tempDir)
      yield* opened(file, ({ add }) => add(node()))
      // Half of the file is overwritten: the header is in order, the rows are not.
      const bytes = Fs.readFileSync(file)
      Fs.writeFileSync(file, Buffer.concat([bytes.subarray(0, bytes.length / 2), Buffer.alloc(bytes.length / 2, 0x7f)]))
      Fs.rmSync(`${file}-wal`, { force: true })
      const error = yield* Effect.flip(opened(file, ({ list }) => list))
      assert.strictEqual(error._tag, "RegistryUnavailable")
    })
  )
})
