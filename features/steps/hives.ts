/** A node's hive: the real one, asked over HTTP, or a stand-in that says what a scenario wants. */
import assert from "node:assert/strict"
import { type DataTable, Given, Then } from "@cucumber/cucumber"
import { askHive } from "../support/hive.js"
import type { RbeeWorld } from "../support/world.js"

Given("the hive's version is {string}", function (this: RbeeWorld, version: string) {
  this.hive.state.version = version
})

Given("the hive never answers", function (this: RbeeWorld) {
  this.hive.state.health = "nothing"
})

Given(/^the hive answers `(.*)`$/, function (this: RbeeWorld, text: string) {
  this.hive.state.health = text
})

Given("the hive has no worker binary", function (this: RbeeWorld) {
  this.hive.state.worker_binaries = []
})

Given("the hive has {int} MB of RAM and {int} MB of disk free", function (this: RbeeWorld, ram: number, disk: number) {
  const { resources } = this.hive.state
  this.hive.state.resources = { ...resources, ram_total_mb: 2 * ram, ram_available_mb: ram, disk_free_mb: disk }
})

Given("the hive has {int} CUDA devices", function (this: RbeeWorld, count: number) {
  const devices = Array.from({ length: count }, (_, index) => ({
    index,
    uuid: `GPU-${index}`,
    name: "Stand-in",
    vram_total_mb: 8192,
    vram_free_mb: 8192,
    vram_largest_block_mb: null,
    temperature_c: 40
  }))
  this.hive.state.backends = [...this.hive.state.backends, { name: "cuda", available: true, devices }]
})

Given("the hive has this worker:", function (this: RbeeWorld, table: DataTable) {
  const { model, backend, device, state } = table.rowsHash()
  const worker = {
    ...{ id: "w-1", node: "localhost", url: "http://127.0.0.1:1", pid: 4242, last_activity: 0, vram_bytes: 0 },
    ...{ model_ref: model, backend, device: Number(device), state, slots_total: 1, slots_available: 1 }
  }
  this.hive.state.workers = [worker]
})

Then("the hive was asked {int} times for its health", function (this: RbeeWorld, times: number) {
  assert.equal(this.hive.asked.filter((what) => what === "GET /v1/health").length, times, this.hive.asked.join("\n"))
})

Then("the hive was never asked for a worker", function (this: RbeeWorld) {
  assert.ok(this.hive.asked.length > 0)
  assert.ok(!this.hive.asked.includes("POST /v1/workers/spawn"), this.hive.asked.join("\n"))
})

Then("the hive was asked for a worker", function (this: RbeeWorld) {
  assert.ok(this.hive.asked.includes("POST /v1/workers/spawn"), this.hive.asked.join("\n"))
})

Then(
  "GET {word} of the hive on localhost is answered {int} and:",
  async function (this: RbeeWorld, path: string, status: number, body: string) {
    const answer = await askHive(this.home, path)
    assert.equal(answer.status, status)
    assert.deepEqual(JSON.parse(answer.text), JSON.parse(body))
  }
)
