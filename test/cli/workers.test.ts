/** Workers and nodes at a glance as the terminal shows them. */
import { assert, describe, it } from "@effect/vitest"
import { healthText, hostedText, overviewText, workerText } from "../../src/cli/render/workers.js"
import type { NodeOverview } from "../../src/domain/NodeOverview.js"
import { registeredAt, toldByHive } from "../../src/domain/PoolWorker.js"
import { plenty } from "../../src/testing/testModels.js"
import { registration, workerInfo, workstation } from "../support/samples.js"

const fits = (text: string) => {
  for (const line of text.split("\n")) assert.isAtMost(line.length, 80, line)
}

const node = (given: Partial<NodeOverview> = {}): NodeOverview => ({
  node: workstation,
  status: "reachable",
  problem: null,
  hive: { version: "0.1.0" },
  workers: [],
  models: [],
  resources: { ...plenty, ram_available_mb: 8000, ram_total_mb: 16_000, disk_free_mb: 9000 },
  ...given
})

describe("workerText", () => {
  it("a worker that a hive tells of", () => {
    assert.strictEqual(
      workerText(toldByHive(workerInfo({ state: "busy", slots_total: 4, slots_available: 1 }))),
      [
        "w-1  busy",
        "  node       workstation",
        "  model      demo",
        "  device     cpu:0",
        "  slots      1 of 4 free",
        "  url        http://127.0.0.1:8001",
        ""
      ].join("\n")
    )
  })

  it("one that registered itself, with its last sign of life", () => {
    const begin = new Date(2026, 10, 21, 15, 4, 59).getTime() / 1000
    assert.strictEqual(
      workerText(registeredAt(begin, null, registration({ models_loaded: [] }))),
      [
        "w-1  idle",
        "  node       none of ours: http://elsewhere.lan:9200",
        "  model      none",
        "  device     cuda:0",
        "  last sign  2026-11-21 15:04",
        ""
      ].join("\n")
    )
  })

  it("long names are cut to their line", () => {
    fits(
      workerText(
        registeredAt(0, null, registration({ models_loaded: Array.from({ length: 9 }, () => "hf:org/repository") }))
      )
    )
  })
})

describe("healthText", () => {
  it("the hive, and a paragraph for each worker", () => {
    const text = healthText(node({ workers: [workerInfo()] }))
    assert.strictEqual(text, `workstation  hive 0.1.0 is well\n  workers    1: 1 idle\n${hostedText(workerInfo())}`)
    assert.include(text, "  process    4001 at http://127.0.0.1:8001\n")
  })

  it("no hive, and why", () => {
    assert.strictEqual(
      healthText(node({ hive: null, problem: "no route" })),
      "workstation  no hive runs\n  problem    no route\n"
    )
  })
})

describe("overviewText", () => {
  it("a node that serves", () => {
    const workers = [workerInfo(), workerInfo({ state: "busy", backend: "cuda", device: 1 })]
    const text = overviewText(node({ workers, models: ["demo", "hf:org/repo"] }))
    assert.strictEqual(
      text,
      [
        "workstation  reachable",
        "  hive       hive 0.1.0 is well",
        "  workers    2: 1 idle, 1 busy",
        "             w-1 idle, demo on cpu:0",
        "             w-1 busy, demo on cuda:1",
        "  models     2: demo, hf:org/repo",
        "  RAM        8000 of 16000 MB free",
        "  disk       9000 MB free",
        ""
      ].join("\n")
    )
  })

  it("one that cannot be reached, with the reason", () => {
    const text = overviewText(
      node({ status: "unreachable", problem: `SSH: ${"x".repeat(100)}`, hive: null, resources: null })
    )
    assert.match(text, /^workstation {2}unreachable\n {2}problem {4}SSH: x+…\n {2}hive {7}no hive runs\n$/)
    fits(text)
  })
})
