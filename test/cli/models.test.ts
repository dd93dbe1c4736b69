/** Models and plans as the terminal shows them. */
import { assert, describe, it } from "@effect/vitest"
import { entryText, infoText, planText } from "../../src/cli/render/models.js"
import { Device } from "../../src/domain/Device.js"
import { ModelNotFound } from "../../src/domain/errors/Model.js"
import { VramExhausted } from "../../src/domain/errors/Resource.js"
import { WorkerId } from "../../src/domain/Ids.js"
import type { ModelInfo, SpawnPlan, TaskPlan } from "../../src/domain/Plan.js"
import { testGguf } from "../../src/testing/ModelFilesTest.js"
import { plenty, testPlan } from "../../src/testing/testModels.js"
import { modelEntry, ref, spawnRequest, workstation } from "../support/samples.js"

const fits = (text: string) => {
  for (const line of text.split("\n")) assert.isAtMost(line.length, 80, line)
}

/** A moment of this machine's own time. */
const since = new Date(2026, 10, 21, 15, 4, 59).getTime() / 1000
const repo = "hf:TheBloke/TinyLlama-1.1B-Chat-v1.0-GGUF"

const info = (given: Partial<ModelInfo> = {}): ModelInfo => ({
  reference: repo,
  local_path: "/home/bee/.rbee/models/tiny.Q4_K_M.gguf",
  size_bytes: 668_788_096,
  bytes_to_fetch: 0,
  quantization: "Q4_K_M",
  sha256: null,
  downloaded_at_unix: null,
  gguf: null,
  ...given
})

describe("entryText", () => {
  const entry = modelEntry({ reference: repo, size_bytes: 668_788_096, downloaded_at_unix: since })

  it("a model of the catalog", () => {
    assert.strictEqual(
      entryText(entry),
      [
        repo,
        "  size       668.8 MB, Q4_K_M",
        "  since      2026-11-21 15:04",
        "  file       /models/tiny.gguf",
        ""
      ].join("\n")
    )
  })

  it("whose quantization is not known", () => {
    assert.include(entryText({ ...entry, quantization: null }), "  size       668.8 MB\n")
  })

  it("its reference and its file are whole, to be copied", () => {
    const long = `/home/bee/${"x".repeat(100)}.gguf`
    const text = entryText({ ...entry, reference: `file://${long}`, local_path: long })
    assert.deepStrictEqual([text.split("\n")[0], text.split("\n")[3]], [`file://${long}`, `  file       ${long}`])
  })
})

describe("infoText", () => {
  it("a model that is on the node, with what its header says (MOD-2)", () => {
    const gguf = {
      ...testGguf(668_788_096),
      ...{ name: "tinyllama", parameters: 1_100_048_384, layers: 22, context_length: 2048 },
      ...{ vocabulary_size: 32_000, chat_template: "x".repeat(414) }
    }
    const text = infoText(info({ sha256: "a".repeat(64), downloaded_at_unix: since, gguf }))
    assert.strictEqual(
      text,
      [
        repo,
        "  size       668.8 MB, Q4_K_M",
        "  file       /home/bee/.rbee/models/tiny.Q4_K_M.gguf",
        `  sha256     ${"a".repeat(64)}`,
        "  since      2026-11-21 15:04",
        "  name       tinyllama",
        "  model      llama, 1.1 B parameters, 22 layers",
        "  context    2048 tokens",
        "  vocabulary 32000, end token 2",
        "  template   for chats, 414 characters",
        ""
      ].join("\n")
    )
    fits(text)
  })

  it("one whose header says little", () => {
    const gguf = {
      ...testGguf(500),
      ...{ name: null, parameters: 260_000, context_length: null, eos_token_id: null }
    }
    assert.strictEqual(
      infoText(info({ quantization: null, gguf })),
      [
        repo,
        "  size       668.8 MB",
        "  file       /home/bee/.rbee/models/tiny.Q4_K_M.gguf",
        "  model      llama, 260000 parameters, 5 layers",
        "  context    not told",
        "  vocabulary 512",
        "  template   none",
        ""
      ].join("\n")
    )
  })

  it("a model of the hub: how much would be fetched, and nothing of a header", () => {
    assert.strictEqual(
      infoText(info({ bytes_to_fetch: 600_000_000 })),
      [repo, "  size       668.8 MB, Q4_K_M", "  to fetch   600.0 MB", ""].join("\n")
    )
  })

  it("names that are long are cut to their line, and end with it", () => {
    const gguf = { ...testGguf(1), name: `${"n".repeat(200)}\nand more`, architecture: "a".repeat(64) }
    const text = infoText(info({ gguf }))
    assert.match(text, /^ {2}name {7}n{66}…$/m)
    assert.match(text, /^ {2}model {6}a{64}, …$/m)
    assert.notInclude(text, "and more")
    fits(text)
  })

  for (const [parameters, words] of [
    [999_999, "999999"],
    [1e6, "1 M"],
    [162_417_792, "162 M"],
    [7.24e9, "7.2 B"],
    [70e9, "70.0 B"]
  ] as const) {
    it(`${parameters} parameters are ${words}`, () => {
      assert.include(infoText(info({ gguf: { ...testGguf(1), parameters } })), `llama, ${words} parameters`)
    })
  }
})

describe("planText", () => {
  const plan = (spawn: Partial<SpawnPlan>, given: Partial<TaskPlan> = {}): TaskPlan => ({
    ...{ node: workstation, backend: "cpu", reuses: null },
    spawn: { ...testPlan(spawnRequest({ model: ref(repo) })), model: info(), ...spawn },
    ...given
  })
  const needs = { ram_mb: 780, vram_mb: 0 }

  it("a model that is on the node, and fits", () => {
    const text = planText(plan({ needs, memory: { weights_bytes: 2 ** 29, kv_bytes: 2 ** 24 + 1, overhead_bytes: 5 } }))
    assert.strictEqual(
      text,
      [
        "workstation  fits",
        `  model      ${repo}, 668.8 MB`,
        "  fetch      nothing: it is on the node",
        "  RAM        780 MB needed, 49152 MB available",
        "  of which   weights 512 MB, KV cache 17 MB, overhead 1 MB",
        "  worker     would start on cpu:0",
        ""
      ].join("\n")
    )
    fits(text)
  })

  it("a model of the hub, for a GPU", () => {
    const device = new Device({ backend: "cuda", index: 1 })
    const gpu = { ram_mb: 800, vram_mb: 640 }
    const text = planText(
      plan(
        {
          model: info({ bytes_to_fetch: 600_000_000 }),
          needs: gpu,
          placement: { device, device_uuid: "GPU-1", needs: gpu },
          resources: {
            ...plenty,
            gpus: [
              { device: "cuda:0", vram_total_mb: 8192, vram_free_mb: 100 },
              { device: "cuda:1", vram_total_mb: 8192, vram_free_mb: 8000 }
            ]
          }
        },
        { backend: "cuda" }
      )
    )
    assert.strictEqual(
      text,
      [
        "workstation  fits",
        `  model      ${repo}, 668.8 MB`,
        "  fetch      600.0 MB; 512000 MB disk free",
        "  RAM        800 MB needed, 49152 MB available",
        "  VRAM       640 MB needed, cuda:0 has 100 MB, cuda:1 has 8000 MB",
        "  worker     would start on cuda:1",
        ""
      ].join("\n")
    )
    fits(text)
  })

  it("one that would fail for want of room: what is missing, and never another backend", () => {
    const device = new Device({ backend: "cuda", index: 0 })
    const failure = new VramExhausted({ device, required_mb: 640, available_mb: 100 })
    const text = planText(plan({ needs: { ram_mb: 800, vram_mb: 640 }, placement: null, failure }, { backend: "cuda" }))
    assert.strictEqual(
      text,
      [
        "workstation  would fail",
        `  model      ${repo}, 668.8 MB`,
        "  fetch      nothing: it is on the node",
        "  RAM        800 MB needed, 49152 MB available",
        "  VRAM       640 MB needed",
        "  worker     would not start on cuda",
        "  fails      Insufficient VRAM: need 640 MB, have 100 MB. GPU FAIL FAST! NO CPU…",
        ""
      ].join("\n")
    )
    fits(text)
  })

  it("one whose model is nowhere: what is not known is left out", () => {
    const failure = new ModelNotFound({ reference: "hf:org/repo", missing: "repository", near: [] })
    assert.strictEqual(
      planText(plan({ model: null, needs: null, placement: null, failure })),
      [
        "workstation  would fail",
        "  worker     would not start on cpu",
        "  fails      Model not found: hf:org/repo (no such repository)",
        ""
      ].join("\n")
    )
  })

  it("a worker that would be used again", () => {
    assert.strictEqual(
      planText({ node: workstation, backend: "cpu", reuses: WorkerId.make("w-7"), spawn: null }),
      "workstation  ready\n  worker     w-7 has the model and would be used again\n"
    )
  })

  it("whatever there is much of is cut to its line", () => {
    const gpus = Array.from({ length: 8 }, (_, n) => ({
      ...{ device: `cuda:${n}`, vram_total_mb: 81_920, vram_free_mb: 81_000 + n }
    }))
    const text = planText(
      plan(
        {
          model: info({ reference: `hf:org/${"x".repeat(200)}` }),
          needs: { ram_mb: 900_000, vram_mb: 640_000 },
          memory: { weights_bytes: 9e11, kv_bytes: 9e11, overhead_bytes: 9e11 },
          resources: { ...plenty, gpus }
        },
        { backend: "cuda" }
      )
    )
    assert.include(text, "cuda:0 has 81000 MB")
    fits(text)
  })
})
