/** Keys: the files that hold them, who gets in with them, and where they must not be. */
import assert from "node:assert/strict"
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { eventually } from "../support/eventually.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"

const tokenFile = (world: RbeeWorld) => Path.join(world.folder, "token")

const writeToken = async (world: RbeeWorld, text: string, mode: string) => {
  await Fs.rm(tokenFile(world), { force: true })
  await Fs.writeFile(tokenFile(world), `${text}\n`)
  await Fs.chmod(tokenFile(world), Number.parseInt(mode, 8))
}

const useTokenFile = (world: RbeeWorld) => {
  world.named.set("token file", tokenFile(world))
  world.set("RBEE_API_TOKEN_FILE", tokenFile(world))
}

Given(
  "a token file that holds {string}, with mode {word}",
  async function (this: RbeeWorld, text: string, mode: string) {
    await writeToken(this, text, mode)
    useTokenFile(this)
  }
)

Given("a token file that is missing", function (this: RbeeWorld) {
  useTokenFile(this)
})

When("the token file holds {string}, with mode {word}", async function (this: RbeeWorld, text: string, mode: string) {
  await writeToken(this, text, mode)
})

When("the command has no token file", function (this: RbeeWorld) {
  this.set("RBEE_API_TOKEN_FILE", "")
})

Given("the variable {string} is {string}", function (this: RbeeWorld, name: string, value: string) {
  this.set(name, value)
})

Then(
  "each of these fails, and stderr contains {string}:",
  async function (this: RbeeWorld, words: string, table: DataTable) {
    for (const [line = ""] of table.raw()) {
      const command = await this.run(argumentsOf(this, line))
      assert.equal(await command.exit(), 1, command.transcript)
      assert.ok(command.err.includes(this.fill(words)), command.transcript)
    }
  }
)

/** What a daemon tells others of itself, in a file for our eyes only. */
interface DaemonRecord {
  readonly identity: { readonly pid: number }
  readonly host: string
  readonly port: number
  readonly token: { readonly value?: string }
}

const recordOf = async (home: string, role: "queen" | "hive"): Promise<DaemonRecord> =>
  JSON.parse(await Fs.readFile(Path.join(home, "run", `${role}.json`), "utf8"))

const queenLog = (world: RbeeWorld) => Fs.readFile(Path.join(world.home, "logs", "queen.log"), "utf8")

Then("the queen answers:", async function (this: RbeeWorld, table: DataTable) {
  const { port } = await recordOf(this.home, "queen")
  for (const { authorization = "", path = "", status, code = "" } of table.hashes()) {
    const headers = authorization === "" ? {} : { authorization }
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
    const body = await answer.text()
    assert.equal(answer.status, Number(status), `${authorization} ${path}: ${body}`)
    assert.equal(answer.headers.get("www-authenticate"), answer.status === 401 ? "Bearer" : null)
    if (code !== "") assert.ok(body.includes(`"${code}"`), body)
    assert.ok(!body.includes("c4n4ry"), body)
  }
})

Then("the queen's log says once {string}", async function (this: RbeeWorld, words: string) {
  assert.equal((await queenLog(this)).split(words).length - 1, 1, await queenLog(this))
})

When("the queen is told by SIGHUP, and its log says {string}", async function (this: RbeeWorld, words: string) {
  const { identity } = await recordOf(this.home, "queen")
  process.kill(identity.pid, "SIGHUP")
  await eventually(
    async () => ((await queenLog(this)).includes(words) ? true : undefined),
    10_000,
    () => queenLog(this)
  )
})

const fingerprint = (text: string) => `token:${createHash("sha256").update(text).digest("hex").slice(0, 6)}`

Then(
  "the queen's log names {string} and {string} by their fingerprints",
  async function (this: RbeeWorld, first: string, second: string) {
    const log = await queenLog(this)
    for (const text of [first, second]) assert.ok(log.includes(fingerprint(text)), log)
  }
)

/** All files below these folders, links left out. */
const filesBelow = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await Fs.readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => Path.join(entry.parentPath, entry.name))
}

/** Logs, databases, and whatever else the daemons wrote; the keys themselves are in `run`, for our eyes only. */
const writings = async (world: RbeeWorld) => {
  const files = (await Promise.all([world.home, world.nodeHome].map(filesBelow))).flat()
  return files.filter((path) => Path.basename(Path.dirname(path)) !== "run")
}

const printed = (world: RbeeWorld) => world.commands.map(({ out, err }) => `${out}\n${err}`).join("\n")

/** Fails where one of the texts stands in an output or a file that is not made for it. */
const assertNowhere = async (world: RbeeWorld, texts: ReadonlyArray<string>) => {
  const files = await writings(world)
  for (const text of texts) {
    assert.ok(text.length > 5, "a text that would not be found by chance")
    assert.ok(!printed(world).includes(text), `printed: ${text}\n${printed(world)}`)
    for (const path of files) {
      const content = await Fs.readFile(path, "latin1").catch(() => "") // gone meanwhile
      assert.ok(!content.includes(text), `${text} in ${path}`)
    }
  }
}

Then("nowhere is there a {string} to be read", async function (this: RbeeWorld, text: string) {
  await assertNowhere(this, [text])
})

const read = (path: string) => Fs.readFile(path, "utf8").catch(() => "")

Then("no process but the command has a {string} among its arguments", async function (this: RbeeWorld, text: string) {
  const running = (await this.processes()).filter(({ pid }) => pid !== this.last.pid)
  assert.ok(running.length >= 3)
  for (const { pid } of running) assert.ok(!(await read(`/proc/${pid}/cmdline`)).includes(text))
})

Then(
  "neither the hive nor the worker inherited {string}, nor the worker {string}",
  async function (this: RbeeWorld, ofBoth: string, ofWorker: string) {
    const environment = async (role: string) => {
      const one = this.seen.get(role)
      assert.ok(one !== undefined)
      const text = await read(`/proc/${one.pid}/environ`)
      assert.ok(text.includes("RBEE_HOME="), "an environment that can be read")
      return text
    }
    for (const role of ["queen", "hive", "worker"]) assert.ok(!(await environment(role)).includes(ofBoth), role)
    assert.ok((await environment("hive")).includes(ofWorker), "the hive is the one that asks the hub")
    assert.ok(!(await environment("worker")).includes(ofWorker))
  }
)

Then("the keys of hive and worker are in files for our eyes only, and nowhere else", async function (this: RbeeWorld) {
  const folder = Path.join(this.home, "run")
  const names = await Fs.readdir(folder)
  const keyFiles = names.filter((name) => name.endsWith(".key"))
  assert.equal(keyFiles.length, 1, names.join())
  for (const name of names) assert.equal((await Fs.stat(Path.join(folder, name))).mode & 0o777, 0o600, name)
  assert.equal((await Fs.stat(folder)).mode & 0o777, 0o700)
  const { token } = await recordOf(this.home, "hive")
  const keys = [token.value ?? "", ...(await Promise.all(keyFiles.map((name) => read(Path.join(folder, name)))))]
  await assertNowhere(
    this,
    keys.map((key) => key.trim())
  )
  for (const { pid } of await this.processes()) {
    const shown = `${await read(`/proc/${pid}/cmdline`)}${await read(`/proc/${pid}/environ`)}`
    for (const key of keys) assert.ok(!shown.includes(key.trim()), `a key in the command line or environment of ${pid}`)
  }
})

Then(
  "the hive and the worker on the machine listen on all of its addresses, and answer 401 without their key",
  async function (this: RbeeWorld) {
    const { host, port, token } = await recordOf(this.nodeHome, "hive")
    assert.equal(host, "0.0.0.0")
    const list = await fetch(`http://127.0.0.1:${port}/v1/workers/list`, {
      headers: { authorization: `Bearer ${token.value}` }
    })
    const { workers }: { readonly workers: ReadonlyArray<{ readonly url: string }> } = JSON.parse(await list.text())
    assert.equal(workers.length, 1)
    const workerPort = new URL(workers[0]?.url ?? "").port
    // A server that is bound to 127.0.0.1 alone does not answer there.
    for (const url of [`http://127.0.0.2:${port}/v1/workers/list`, `http://127.0.0.2:${workerPort}/v1/ready`]) {
      assert.equal((await fetch(url)).status, 401, url)
    }
  }
)
