import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelFolderLive } from "../../src/layers/ModelFolderLive.js"
import { ModelFolder } from "../../src/services/ModelFolder.js"
import { homeAt, tempDir } from "../support/tempDir.js"

const commit = "0123456789abcdef0123456789abcdef01234567"

/** What is found in a home whose models folder holds these files. */
const scanned = (...files: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const home = yield* tempDir
    const models = Path.join(home, "models")
    for (const name of files) {
      const path = Path.join(models, name)
      Fs.mkdirSync(Path.dirname(path), { recursive: true })
      Fs.writeFileSync(path, "GGUF")
    }
    const found = yield* Effect.flatMap(ModelFolder, ({ scan }) => scan).pipe(
      Effect.provide(Layer.provide(ModelFolderLive, homeAt(home)))
    )
    return { models, found }
  })

describe("ModelFolderLive", () => {
  it.scopedLive("finds models by where they came from, in their repositories' folders too", () =>
    Effect.gen(function* () {
      const { models, found } = yield* scanned(
        `TheBloke--Tiny-GGUF/${commit}/tiny.Q4_K_M.gguf`,
        `org--repo/${commit}/sub/folder/model.gguf`
      )
      assert.deepStrictEqual(found, [
        {
          reference: `hf:TheBloke/Tiny-GGUF/tiny.Q4_K_M.gguf@${commit}`,
          local_path: Path.join(models, `TheBloke--Tiny-GGUF/${commit}/tiny.Q4_K_M.gguf`)
        },
        {
          reference: `hf:org/repo/sub/folder/model.gguf@${commit}`,
          local_path: Path.join(models, `org--repo/${commit}/sub/folder/model.gguf`)
        }
      ])
    })
  )

  it.scopedLive("a split model is one, by its first file (MOD-6)", () =>
    Effect.gen(function* () {
      const { models, found } = yield* scanned(
        `org--repo/${commit}/m-00001-of-00003.gguf`,
        `org--repo/${commit}/m-00002-of-00003.gguf`,
        `org--repo/${commit}/m-00003-of-00003.gguf`
      )
      assert.deepStrictEqual(found, [
        {
          reference: `hf:org/repo/m-00001-of-00003.gguf@${commit}`,
          local_path: Path.join(models, `org--repo/${commit}/m-00001-of-00003.gguf`)
        }
      ])
    })
  )

  it.scopedLive("leaves out what is unfinished, no model, or none of ours", () =>
    Effect.gen(function* () {
      const { found } = yield* scanned(
        `org--repo/${commit}/model.gguf.partial`,
        `org--repo/${commit}/model.gguf.partial.json`,
        `org--repo/${commit}/README.md`,
        `org--repo/${commit}/it's $(here).gguf`,
        "org--repo/main/model.gguf",
        "somewhere/model.gguf",
        "model.gguf"
      )
      assert.deepStrictEqual(found, [])
    })
  )

  it.scopedLive("a folder that is not there has no models", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* scanned()).found, [])
    })
  )
})
