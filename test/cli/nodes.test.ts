/** Nodes as the terminal shows them. */
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { detectionText, nodeText, preflightText } from "../../src/cli/render/nodes.js"
import { Resources } from "../../src/domain/Hive.js"
import { localhost } from "../../src/domain/Ids.js"
import { detectionOf } from "../../src/programs/detectBackends.js"
import { testGpu } from "../../src/testing/GpuTest.js"
import { cpuOnly } from "../../src/testing/HiveClientTest.js"
import { plenty } from "../../src/testing/testModels.js"
import { node, workstation } from "../support/samples.js"

const fits = (text: string) => {
  for (const line of text.split("\n")) assert.isAtMost(line.length, 80, line)
}

describe("nodeText", () => {
  it("a node that was never reached", () => {
    assert.strictEqual(
      nodeText(node({ backends: ["cpu", "cuda"], devices: { cpu: 1, cuda: 2 } })),
      [
        "workstation  unknown",
        "  host       bee@workstation.lan:22",
        "  last seen  never",
        "  devices    cpu 1, cuda 2",
        "  install    ~/rbee",
        "  transport  ssh",
        ""
      ].join("\n")
    )
  })

  it("the last connection in this machine's time, to the minute", () => {
    const begin = new Date(2026, 10, 21, 15, 4, 59).getTime() / 1000
    assert.include(nodeText(node({ last_connected_unix: begin })), "  last seen  2026-11-21 15:04\n")
  })

  it("a long error is cut to its line, and the rest of it is left out", () => {
    const text = nodeText(node({ last_error: `SSH connection failed: ${"x".repeat(100)}\nand more` }))
    assert.match(text, /^ {2}error {6}SSH connection failed: x+…$/m)
    assert.notInclude(text, "and more")
    fits(text)
  })
})

describe("preflightText", () => {
  const hive = {
    health: { status: "alive" as const, version: "0.1.3", api_version: "v1" as const },
    backends: cpuOnly.map((one) =>
      one.name === "cuda" ? { name: one.name, available: true, devices: [testGpu({ index: 0 })] } : one
    ),
    worker_binaries: ["llm-worker-rbee"],
    resources: {
      ...{ ...plenty, ram_total_mb: 16_000, ram_available_mb: 8000, disk_free_mb: 9000, cpu_load: 2.345 },
      gpus: [{ device: "cuda:0", vram_total_mb: 8192, vram_free_mb: 1000 }]
    }
  }

  it("both phases' reports", () => {
    const ssh = { node: workstation, latency_ms: 19, hive_command: "rbee-hive", hive_version: "0.1.3" }
    assert.strictEqual(
      preflightText(workstation, { ssh, hive }),
      [
        "workstation  ready",
        "  ssh        round trip 19 ms",
        "  rbee       0.1.3 at rbee-hive",
        "  hive       0.1.3, alive",
        "  workers    llm-worker-rbee",
        "  backends   cpu, cuda 1",
        "  RAM        8000 of 16000 MB free",
        "  swap       8192 of 8192 MB free",
        "  cuda:0     1000 of 8192 MB free",
        "  disk       9000 MB free",
        "  CPU        8 cores, load 2.3",
        ""
      ].join("\n")
    )
  })

  it("what an older hive does not tell is left out", () => {
    const { ram_total_mb, ram_available_mb, disk_free_mb } = hive.resources
    const resources = Schema.decodeUnknownSync(Resources)({ ram_total_mb, ram_available_mb, disk_free_mb })
    const text = preflightText(localhost, { ssh: null, hive: { ...hive, resources } })
    assert.isTrue(text.endsWith("  RAM        8000 of 16000 MB free\n  disk       9000 MB free\n"), text)
  })

  it("this machine has no SSH to tell of", () => {
    assert.notInclude(preflightText(localhost, { ssh: null, hive }), "ssh")
  })
})

describe("detectionText (CLI-10)", () => {
  it("a line a backend, and the registry's two lines", () => {
    const reports = [
      { name: "cpu" as const, available: true, devices: [] },
      {
        ...{ name: "cuda" as const, available: true, devices: [testGpu({ index: 0 }), testGpu({ index: 2 })] },
        unusable: [
          { index: 1, reason: `NVIDIA A100: MIG mode is on; ${"x".repeat(100)}` },
          { index: null, reason: "nvidia-smi: Unable to determine the device handle" }
        ]
      },
      { name: "metal" as const, available: false, devices: [], reason: `not a Mac, ${"x".repeat(100)}` }
    ]
    const text = detectionText(reports, detectionOf(reports))
    assert.deepStrictEqual(text.split("\n").slice(0, 6), [
      "cpu    1 device",
      "cuda   2 devices",
      "  0: Test GPU, 8192 of 8192 MB free",
      "  2: Test GPU, 8192 of 8192 MB free",
      `  1: not usable: NVIDIA A100: MIG mode is on; ${"x".repeat(33)}…`,
      "  ?: not usable: nvidia-smi: Unable to determine the device handle"
    ])
    assert.isTrue(text.endsWith('\n\nbackends: ["cpu","cuda"]\ndevices: {"cpu":1,"cuda":2}\n'))
    assert.include(text, "metal  not available: not a Mac")
    fits(text)
  })
})
