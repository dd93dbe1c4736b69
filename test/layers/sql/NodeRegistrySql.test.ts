import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type { RegistryUnavailable } from "../../../src/domain/errors/Hive.js"
import { connect } from "../../../src/layers/sql/connection.js"
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

  it.scopedLive("a damaged file is set aside, and nodes can be added again", () =>
    Effect.gen(function* () {
      const file = fileIn(yield* tempDir)
      yield* opened(file, (registry) => registry.add(node()))
      const text = "this is no database, however long one looks at it".repeat(100)
      Fs.writeFileSync(file, text)
      const found = yield* opened(file, (registry) => Effect.zipRight(registry.add(node()), registry.list)).pipe(
        Logger.withMinimumLogLevel(LogLevel.None)
      )
      assert.deepStrictEqual(found, [node()])
      const [aside = ""] = Fs.readdirSync(Path.dirname(file)).filter((name) =>
        /^beehives\.db\.corrupt\.\w+$/.test(name)
      )
      assert.strictEqual(Fs.readFileSync(Path.join(Path.dirname(file), aside), "utf8"), text)
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
      const sql = yield* connect(file)
      yield* sql`UPDATE beehives SET devices = '{"cpu":'`
      const error = yield* Effect.flip(opened(file, ({ list }) => list))
      assert.strictEqual(error._tag, "RegistryUnavailable")
    })
  )
})
