// Alone in its file, and so in its process: with a second runtime in one process the engine's log goes astray.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { InvalidModelFile } from "../../src/domain/errors/Model.js"
import { EngineLlamaCpp } from "../../src/layers/EngineLlamaCpp.js"
import { Engine } from "../../src/services/Engine.js"
import { onCpu } from "../contracts/Engine.js"

const demo = fileURLToPath(new URL("../../models/tiny-stories.gguf", import.meta.url))

it.live("EngineLlamaCpp refuses an architecture that llama.cpp does not know, in its words and in the log", () => {
  const heard: Array<string> = []
  const listening = Logger.replace(
    Logger.defaultLogger,
    Logger.make(({ message }) => void heard.push(String(message)))
  )
  return Effect.gen(function* () {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "rbee-engine-"))),
      (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
    )
    const path = join(folder, "alpac.gguf")
    writeFileSync(path, Buffer.from(readFileSync(demo, "latin1").replaceAll("llama", "alpac"), "latin1"))
    const error = yield* Effect.flip((yield* Engine).load(onCpu(path)))
    assert.instanceOf(error, InvalidModelFile)
    assert.strictEqual(error.reason, "unknown model architecture: 'alpac'")
    assert.isTrue(heard.some((line) => line.includes(error.reason)))
  }).pipe(Effect.scoped, Effect.provide(EngineLlamaCpp), Effect.provide(listening))
})
