/** The two doors for whoever embeds rbee: "rbee" and "rbee/testing". */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as rbee from "../src/index.js"
import { Device, InferenceTask, infer, type PlacementRequest, resourcePreflight, VramExhausted } from "../src/index.js"
import { NarratorTest, TestRbee } from "../src/testing/index.js"
import { assertFails } from "./support/assertFails.js"

const request: PlacementRequest = {
  model: {
    id: "m-1",
    provider: "file",
    reference: "file:///models/tiny.gguf",
    local_path: "/models/tiny.gguf",
    size_bytes: 4000 * 1024 ** 2,
    sha256: null,
    quantization: null,
    downloaded_at_unix: 0
  },
  gguf: null,
  backend: "cuda",
  device: 1,
  shape: { slots: 1, ctx_size: null, threads: null }
}

describe('the entries "rbee" and "rbee/testing"', () => {
  it.effect("a GPU without room is refused, never replaced by the CPU", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(resourcePreflight(request))
      const device = new Device({ backend: "cuda", index: 1 })
      assertFails(error, new VramExhausted({ device, required_mb: 4000, available_mb: 2000 }))
    }).pipe(
      Effect.scoped,
      Effect.provide(TestRbee.with({ gpus: [{ index: 1, vram_free_mb: 2000 }], ram_available_mb: 32_000 }))
    )
  )

  it.effect("a whole inference, with what was narrated", () =>
    Effect.gen(function* () {
      const task = Schema.decodeSync(InferenceTask)({ model: "demo", prompt: "Once" })
      const events = yield* Stream.runCollect(infer(task, { deadline: Option.none(), keep_alive: false }))
      assert.strictEqual(
        [...events].map((event) => (event.type === "token" ? event.t : "")).join(""),
        "Once upon a time"
      )
      assert.include(yield* (yield* NarratorTest).lines, "Everything is stopped")
    }).pipe(Effect.provide(TestRbee.with()))
  )

  it("the live layers stand beside the programs", () => {
    for (const name of ["SshLive", "ProcessesLive", "EngineLlamaCpp", "nodeRegistrySql", "HiveClientHttp"] as const) {
      assert.property(rbee, name)
    }
  })

  it.live("importing them does nothing: not a word, and the process ends by itself", () =>
    Effect.async<void>((resume) => {
      const entries = ["../src/index.ts", "../src/testing/index.ts"].map((path) =>
        fileURLToPath(new URL(path, import.meta.url))
      )
      const program = entries.map((path) => `await import(${JSON.stringify(path)})`).join(";")
      const command = ["--import", "tsx", "--input-type=module", "-e", program]
      execFile(process.execPath, command, (error, stdout, stderr) => {
        resume(Effect.sync(() => assert.deepStrictEqual([error, stdout, stderr], [null, "", ""])))
      })
    })
  )
})
