/** Machines that are reached by SSH, and the registry of nodes. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { makeRepository } from "../../test/support/gitRepository.js"
import { fingerprintOf, makeKey, startSshd } from "../../test/support/sshd.js"
import { eventually, within } from "../support/eventually.js"
import { silentListener, slowRelay } from "../support/relay.js"
import { startStandIn } from "../support/standIn.js"
import { changeRow, rowsOf } from "../support/tables.js"
import { type RbeeWorld, root } from "../support/world.js"

const registry = (world: RbeeWorld) => rowsOf(Path.join(world.home, "beehives.db"), "beehives")

Given("a machine with sshd and rbee installed", async function (this: RbeeWorld) {
  await this.startMachine()
})

Given("a machine with sshd and without rbee", async function (this: RbeeWorld) {
  await this.startMachine()
  this.installPath = Path.join(this.folder, "nothing-here")
})

Given("a machine with nothing but sshd and Node", async function (this: RbeeWorld) {
  await this.startMachine({ env: { PATH: Path.join(this.folder, "bin") } })
  this.installPath = Path.join(this.folder, "node", "apps", "rbee")
})

Given("a machine with sshd, Node, npm and git", async function (this: RbeeWorld) {
  await this.startMachine({ env: { PATH: process.env.PATH ?? "" } })
  this.installPath = Path.join(this.folder, "node", "apps", "rbee")
})

Given("a git repository that rbee is built from", async function (this: RbeeWorld) {
  const { url, commit } = await makeRepository(this.folder)
  const [name, version] = ["rbee", "0.1.0"]
  // What a build makes of it is the rbee under test: building that itself takes minutes, and the network.
  const built = `#!/usr/bin/env node\nimport(${JSON.stringify(`file://${root}/dist/bin/rbee-hive.js`)})\n`
  await commit({
    "package.json": JSON.stringify({ name, version, scripts: { prepare: "node build.js" } }),
    "package-lock.json": JSON.stringify({ name, version, lockfileVersion: 3, packages: { "": { name, version } } }),
    "build.js": `const fs = require("node:fs")
      fs.mkdirSync("dist/bin", { recursive: true })
      fs.writeFileSync("dist/bin/rbee-hive.js", ${JSON.stringify(built)}, { mode: 0o755 })`
  })
  this.named.set("repository", url)
})

Given("a machine with sshd and a stand-in for its hive", async function (this: RbeeWorld) {
  await this.startMachine()
  this.installPath = Path.join(this.folder, "stand-in")
  this.standIn = await startStandIn(this.installPath)
  this.closers.push(this.standIn.stop)
})

Given("a machine with sshd, whose commands all fail", async function (this: RbeeWorld) {
  await this.startMachine({ config: ["ForceCommand echo 'This account is not available.' >&2; exit 1"] })
})

Given("a port where nobody ever answers", async function (this: RbeeWorld) {
  const { port, stop } = await silentListener()
  this.closers.push(stop)
  this.named.set("silent port", `${port}`)
})

Given("another way to the machine, {int} ms long", async function (this: RbeeWorld, delay_ms: number) {
  const { port, stop } = await slowRelay(this.sshd.port, delay_ms)
  this.closers.push(stop)
  this.named.set("other port", `${port}`)
})

Given("the setting {word} is {string}", function (this: RbeeWorld, name: string, value: string) {
  this.set(name, this.fill(value))
})

Given("a jump host with sshd", async function (this: RbeeWorld) {
  const { port, hostKeyFingerprint, keyPath, log, stop } = await startSshd()
  this.closers.push(stop)
  this.named.set("jump port", `${port}`).set("jump key", keyPath).set("jump fingerprint", hostKeyFingerprint)
  this.jumpLog = log
})

Given(/^this is in ~\/\.ssh\/config:$/, async function (this: RbeeWorld, text: string) {
  const folder = Path.join(this.folder, ".ssh")
  await Fs.mkdir(folder, { recursive: true, mode: 0o700 })
  await Fs.writeFile(Path.join(folder, "config"), `${this.fill(text)}\n`, { mode: 0o600 })
})

Given("it is the node {string}", async function (this: RbeeWorld, name: string) {
  await this.prepare(this.addNode(name))
})

Given("the machine shows another host key from now on", async function (this: RbeeWorld) {
  const { dir, pid, logged } = this.sshd
  const key = Path.join(dir, "host_key")
  await Promise.all([key, `${key}.pub`].map((path) => Fs.rm(path)))
  await makeKey(key, "ed25519")
  process.kill(pid, "SIGHUP") // sshd begins anew, as itself
  await within(logged(/Received SIGHUP.*Server listening on/s), 10_000, () => `sshd's restart: ${this.sshd.log()}`)
  this.named.set("new fingerprint", await fingerprintOf(`${key}.pub`))
})

Given("the node's port is {} from now on", function (this: RbeeWorld, port: string) {
  changeRow(Path.join(this.home, "beehives.db"), "beehives", "ssh_port", Number(this.fill(port)))
})

Given("the machine knows another key only from now on", async function (this: RbeeWorld) {
  const key = Path.join(this.folder, "another_key")
  await makeKey(key, "ed25519")
  await Fs.copyFile(`${key}.pub`, Path.join(this.sshd.dir, "authorized_keys"))
})

When("I add it as node {string}", async function (this: RbeeWorld, name: string) {
  await this.run(this.addNode(name))
})

When("I add it as node {string} with another key", async function (this: RbeeWorld, name: string) {
  const key = Path.join(this.folder, "another_key")
  await makeKey(key, "ed25519")
  await this.run(this.addNode(name, key))
})

Then("the registry holds just this node:", function (this: RbeeWorld, table: DataTable) {
  const [row, ...others] = registry(this)
  assert.deepEqual(others, [])
  for (const [column, value] of Object.entries(table.rowsHash())) {
    // The registry's own braces are not ours.
    assert.equal(`${row?.[column]}`, value.includes('"') ? value : this.fill(value), column)
  }
})

Then("the node was last connected to just now", function (this: RbeeWorld) {
  const at = registry(this)[0]?.last_connected_unix
  assert.ok(typeof at === "number")
  const ago_s = Date.now() / 1000 - at
  assert.ok(ago_s >= 0 && ago_s < 60, `${ago_s} s ago`)
})

Then("the registry holds just the node {string}", function (this: RbeeWorld, name: string) {
  assert.deepEqual(
    registry(this).map(({ node_name }) => node_name),
    [name]
  )
})

Then("the registry is empty", function (this: RbeeWorld) {
  assert.deepEqual(registry(this), [])
})

Then("rbee is installed on the machine", async function (this: RbeeWorld) {
  assert.deepEqual(await installedIn(this), ["rbee"])
})

Then("nothing of rbee is installed on the machine", async function (this: RbeeWorld) {
  // One whose asker was killed tidies up first.
  const none = async () => ((await installedIn(this)).length === 0 ? true : undefined)
  await eventually(none, 20_000, async () => `still there: ${await installedIn(this)}`)
})

/** What stands where rbee is to be installed, and beside it. */
const installedIn = (world: RbeeWorld) => Fs.readdir(Path.dirname(world.installPath)).catch(() => [])

Then("the machine's host key is on record", async function (this: RbeeWorld) {
  const records = await Fs.readFile(Path.join(this.home, "known_hosts"), "utf8")
  assert.equal(records, `[${this.sshd.host}]:${this.sshd.port} ${this.sshd.hostKey}\n`)
})

Then("stderr names the recorded host key and the one that was shown", async function (this: RbeeWorld) {
  const shown = await fingerprintOf(Path.join(this.sshd.dir, "host_key.pub"))
  const words = `changed: expected ${this.sshd.hostKeyFingerprint}, got ${shown}`
  assert.ok(this.last.err.includes(words), `${words}\n${this.last.transcript}`)
})

Then("the way there led through the jump host", function (this: RbeeWorld) {
  assert.match(this.jumpLog(), /Accepted publickey/)
})

Then("the catalog of the machine holds just the model {string}", function (this: RbeeWorld, reference: string) {
  const rows = rowsOf(Path.join(this.nodeHome, "models.db"), "models")
  assert.deepEqual(
    rows.map((row) => row.reference),
    [reference]
  )
})
