/** Models: what a hub has and how it misbehaves, what arrives of it, and what the catalog says. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { eventually } from "../support/eventually.js"
import { askHive } from "../support/hive.js"
import type { ModelOnHub } from "../support/hub.js"
import { untilEnded } from "../support/processes.js"
import { storyFile } from "../support/storyFiles.js"
import { type Row, rowsOf } from "../support/tables.js"
import type { RbeeWorld } from "../support/world.js"
import { argumentsOf } from "./commands.js"

// --- a hub ---------------------------------------------------------------------------------------------------------

const filesOf = (table: DataTable): Promise<ReadonlyArray<ModelOnHub>> =>
  Promise.all(
    table.raw().map(async ([repo = "", path = "", words = ""]) => ({ repo, path, content: await storyFile(words) }))
  )

Given("a model hub with:", async function (this: RbeeWorld, table: DataTable) {
  await this.startHub(await filesOf(table))
})

Given(
  "a model hub that knows the token {string}, with:",
  async function (this: RbeeWorld, token: string, table: DataTable) {
    await this.startHub(await filesOf(table), token)
  }
)

Given("{string} is for those with a token", function (this: RbeeWorld, repo: string) {
  this.hub.restrict(repo, { access: "gated" })
})

Given("{string} is for others than the token's owner", function (this: RbeeWorld, repo: string) {
  this.hub.restrict(repo, { access: "gated", accepted: false })
})

// --- what goes wrong with it ---------------------------------------------------------------------------------------

/** How often, in words. */
const timesOf = (often: string): number => (often === "always" ? Number.POSITIVE_INFINITY : 1)

Given(/^the hub falls silent at (\d+) % of the file, (once|always)$/, function (this: RbeeWorld, percent, often) {
  this.hub.server.fault({ _tag: "stall", after_bytes: this.hub.offsetAt(Number(percent)), times: timesOf(often) })
})

Given("the hub resets the connection at {int} % of the file", function (this: RbeeWorld, percent: number) {
  this.hub.server.fault({ _tag: "cut", reset: true, after_bytes: this.hub.offsetAt(percent) })
})

Given("the download's address expires at {int} % of the file", function (this: RbeeWorld, percent: number) {
  this.hub.server.fault({ _tag: "expire", after_bytes: this.hub.offsetAt(percent) })
})

Given(/^the hub sends one bit of the file wrong, (once|always)$/, function (this: RbeeWorld, often: string) {
  this.hub.server.fault({ _tag: "flip", at: this.hub.offsetAt(50), times: timesOf(often) })
})

Given("the hub gives no ranges", function (this: RbeeWorld) {
  this.hub.server.fault({ _tag: "ignoreRanges", times: timesOf("always") })
})

Given("the hub sends {int} KB a second on each connection", function (this: RbeeWorld, kilobytes: number) {
  this.hub.server.fault({ _tag: "slow", bytes_per_second: kilobytes * 1000, times: timesOf("always") })
})

Given("the hub answers {int} the first {int} times", function (this: RbeeWorld, status: number, times: number) {
  this.hub.server.fault({ _tag: "status", status, headers: { "retry-after": "0" }, times })
})

When("the hub cuts what it has under way", function (this: RbeeWorld) {
  this.hub.server.cutAll()
})

When("the hub is well again", function (this: RbeeWorld) {
  this.hub.server.clearFaults()
})

// --- what was asked of it ------------------------------------------------------------------------------------------

const bytesOnHub = (world: RbeeWorld): number => world.hub.files.reduce((sum, { content }) => sum + content.length, 0)

Then("the hub has sent the file just once", function (this: RbeeWorld) {
  assert.equal(this.hub.server.bytesSent(), this.hub.file.content.length)
})

Then("the hub has sent every file just once", function (this: RbeeWorld) {
  assert.equal(this.hub.server.bytesSent(), bytesOnHub(this))
})

Then("the hub refused it with {int}", function (this: RbeeWorld, status: number) {
  const statuses = this.hub.server.requests().map((request) => request.status)
  assert.equal(statuses.at(-1), status, statuses.join())
})

Then("the hub has sent no byte of a file", function (this: RbeeWorld) {
  assert.ok(this.hub.server.requests().length > 0, "it was asked for something")
  assert.equal(this.hub.server.bytesSent(), 0)
})

/** What was under way when a connection ended may have been sent for nothing. */
Then("the hub has sent less than {int} % of the file twice", function (this: RbeeWorld, percent: number) {
  const twice = this.hub.server.bytesSent() - this.hub.file.content.length
  assert.ok(twice >= 0, "all of it was sent")
  assert.ok(twice < this.hub.offsetAt(percent), `${twice} bytes: ${this.hub.fetches.map(({ range }) => range).join()}`)
})

Then("the hub was asked {int} times for bytes of the file", function (this: RbeeWorld, times: number) {
  assert.equal(this.hub.fetches.length, times, this.hub.fetches.map(({ range }) => range).join())
})

const rangesOf = (world: RbeeWorld) =>
  world.hub.fetches.map(({ range }) => {
    const [, start, end] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? assert.fail(`no range: ${range}`)
    return { start: Number(start), end: Number(end) }
  })

Then("the last range that it was asked for begins at {int} to {int} %", function (this: RbeeWorld, from, to) {
  const { start } = rangesOf(this).at(-1) ?? assert.fail("none was asked for")
  assert.ok(start >= this.hub.offsetAt(from) && start <= this.hub.offsetAt(to), `it begins at ${start}`)
})

Then("it was asked for {int} ranges, which are the file together", function (this: RbeeWorld, count: number) {
  const ranges = [...rangesOf(this)].sort((a, b) => a.start - b.start)
  assert.equal(ranges.length, count)
  ranges.forEach(({ start }, i) => {
    assert.equal(start, i === 0 ? 0 : (ranges[i - 1]?.end ?? 0) + 1)
  })
  assert.equal(ranges.at(-1)?.end, this.hub.file.content.length - 1)
})

Then("the hub was shown the token {string}, and the host of the files was not", function (this: RbeeWorld, token) {
  const shown = (host: "hub" | "cdn") =>
    this.hub.server.requests().flatMap((request) => (request.host === host ? [request.authorization] : []))
  assert.deepEqual([...new Set(shown("hub"))], [`Bearer ${token}`])
  assert.deepEqual([...new Set(shown("cdn"))], [null])
  const everything = this.hub.server.requests().filter(({ host }) => host === "cdn")
  assert.ok(!JSON.stringify(everything).includes(token), "in no other header either, and in no address")
})

// --- files ---------------------------------------------------------------------------------------------------------

const modelsFolder = (world: RbeeWorld): string => world.fill("{models}")

/** A file of the user's own, as long as that: nothing but the model in it takes room on the disk. Features call it `{model file}`. */
Given("a model file of {int} MB", async function (this: RbeeWorld, mebibytes: number) {
  const path = Path.join(this.folder, "own.gguf")
  await Fs.writeFile(path, await storyFile("the story model"))
  await Fs.truncate(path, mebibytes * 1024 ** 2)
  this.named.set("model file", `file://${path}`).set("model file path", path)
})

const onlyRow = (world: RbeeWorld): Row => {
  const [row, ...others] = rowsOf(Path.join(world.home, "models.db"), "models")
  assert.ok(row !== undefined, "the catalog is empty")
  assert.deepEqual(others, [])
  return row
}

When("the model's file is deleted", async function (this: RbeeWorld) {
  await Fs.rm(`${onlyRow(this).local_path}`)
})

When("the model's file loses its half", async function (this: RbeeWorld) {
  const { local_path, size_bytes } = onlyRow(this)
  await Fs.truncate(`${local_path}`, Number(size_bytes) / 2)
})

Then("the model's file is still there", async function (this: RbeeWorld) {
  assert.ok((await Fs.stat(this.fill("{model file path}"))).size > 0)
})

/** Everything below the models' folder, by its path there. */
const filesBelow = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await Fs.readdir(folder, { withFileTypes: true, recursive: true }).catch(() => [])
  const files = entries.filter((entry) => !entry.isDirectory())
  return files.map((entry) => Path.relative(folder, Path.join(entry.parentPath, entry.name))).sort()
}

Then("the models' folder holds just these files:", async function (this: RbeeWorld, table: DataTable) {
  const expected = table.raw().map(([path = "", words = ""]) => [this.fill(path), words] as const)
  assert.deepEqual(await filesBelow(modelsFolder(this)), expected.map(([path]) => path).sort())
  for (const [path, words] of expected) {
    const content = await Fs.readFile(Path.join(modelsFolder(this), path))
    assert.ok(content.equals(await storyFile(words)), `${path} is another`)
  }
})

Then("the models' folder is empty", async function (this: RbeeWorld) {
  assert.deepEqual(await filesBelow(modelsFolder(this)), [])
})

/** The one file that is on its way. */
const partialFile = async (world: RbeeWorld): Promise<string | undefined> =>
  (await filesBelow(modelsFolder(world))).find((path) => path.endsWith(".partial"))

/** What comes is gathered for a while before it is written. */
const gathered_bytes = 1024 ** 2

/** How much of the file is kept whatever happens: what its record tells of, which is written after the bytes themselves. */
const keptBytes = async (world: RbeeWorld): Promise<number> => {
  const name = await partialFile(world)
  const text =
    name === undefined ? "" : await Fs.readFile(Path.join(modelsFolder(world), `${name}.json`), "utf8").catch(() => "")
  if (text === "") return 0 // made this moment
  const { pieces }: { readonly pieces: ReadonlyArray<number> } = JSON.parse(text)
  return pieces.reduce((sum, bytes) => sum + bytes, 0)
}

When("{int} % of the file are there", async function (this: RbeeWorld, percent: number) {
  const expected = this.hub.offsetAt(percent)
  await eventually(
    async () =>
      this.hub.server.bytesSent() >= expected && (await keptBytes(this)) >= expected - gathered_bytes
        ? true
        : undefined,
    60_000,
    async () => `${this.hub.server.bytesSent()} bytes sent, ${await keptBytes(this)} kept: ${this.last.transcript}`
  )
})

Then("a part of the file is kept, and nothing under its final name", async function (this: RbeeWorld) {
  const files = await filesBelow(modelsFolder(this))
  assert.ok(
    files.some((path) => path.endsWith(".gguf.partial")),
    files.join()
  )
  assert.ok(!files.some((path) => path.endsWith(".gguf")), files.join())
})

Then("the models' folder holds just a part of the file, and how much that is", async function (this: RbeeWorld) {
  const files = async () => (await filesBelow(modelsFolder(this))).map((path) => Path.basename(path))
  const expected = [".partial", ".partial.json"].map((end) => `${this.hub.file.path}${end}`)
  // The hive may outlive the command, and lets go of the file by itself.
  await eventually(
    async () => (`${await files()}` === `${expected}` ? true : undefined),
    10_000,
    async () => `${await files()}`
  )
})

// --- the catalog ---------------------------------------------------------------------------------------------------

Then("the catalog holds just this model:", function (this: RbeeWorld, table: DataTable) {
  const row = onlyRow(this)
  for (const [column, value] of Object.entries(table.rowsHash())) {
    assert.equal(`${row[column]}`, this.fill(value), column)
  }
})

Then("the model has an id, and was downloaded just now", function (this: RbeeWorld) {
  const { id, downloaded_at_unix } = onlyRow(this)
  assert.match(`${id}`, /^\S{4,}$/)
  const ago_s = Date.now() / 1000 - Number(downloaded_at_unix)
  assert.ok(ago_s >= -1 && ago_s < 120, `${ago_s} s ago`)
})

Then("the catalog is empty", function (this: RbeeWorld) {
  assert.deepEqual(rowsOf(Path.join(this.home, "models.db"), "models"), [])
})

Then("these commands list just these models:", async function (this: RbeeWorld, table: DataTable) {
  for (const [line = "", references = ""] of table.raw()) {
    const { out, transcript } = await this.prepare(argumentsOf(this, line))
    const { models }: { readonly models: ReadonlyArray<{ readonly reference: string }> } = JSON.parse(out)
    const listed = models.map(({ reference }) => reference).sort()
    assert.deepEqual(listed, this.fill(references).split(", ").sort(), transcript)
  }
})

Then("the catalog lists {string}", function (this: RbeeWorld, references: string) {
  const listed = rowsOf(Path.join(this.home, "models.db"), "models").map(({ reference }) => `${reference}`)
  assert.deepEqual(listed.sort(), this.fill(references).split(", ").sort())
})

Then("each of these references is that file and quantization:", async function (this: RbeeWorld, table: DataTable) {
  for (const [reference = "", name = "", quantization] of table.raw()) {
    const downloaded = JSON.parse((await this.prepare(["models", "download", "--model", reference, "--json"])).out)
    assert.equal(Path.basename(downloaded.local_path), name, reference)
    assert.equal(downloaded.quantization, quantization, reference)
    const info = JSON.parse((await this.prepare(["models", "info", reference, "--json"])).out)
    assert.equal(info.gguf.quantization, quantization, `the header of ${reference}`)
  }
})

Then(
  "each of these models is not found, and the command says why and what then:",
  async function (this: RbeeWorld, table: DataTable) {
    for (const [reference = "", why, what = ""] of table.raw()) {
      const command = await this.run(["models", "download", "--model", reference])
      assert.equal(await command.exit(), 1, command.transcript)
      assert.ok(command.err.includes(`Model not found: ${reference} (${why})`), command.transcript)
      assert.ok(command.err.slice(command.err.indexOf("Suggestion:")).includes(what), command.transcript)
    }
  }
)

/** What `models info --json` printed. */
const printedInfo = (world: RbeeWorld): { readonly gguf: Readonly<Record<string, unknown>> } =>
  JSON.parse(world.last.out)

Then("the header it tells of is:", function (this: RbeeWorld, table: DataTable) {
  const { gguf } = printedInfo(this)
  for (const [field, value] of Object.entries(table.rowsHash())) assert.equal(`${gguf[field]}`, value, field)
})

Then("its chat template contains {string}", function (this: RbeeWorld, words: string) {
  const { chat_template } = printedInfo(this).gguf
  assert.ok(`${chat_template}`.includes(words), `${chat_template}`)
})

// --- the hive that downloads ---------------------------------------------------------------------------------------

Given("a hive runs on localhost", async function (this: RbeeWorld) {
  await this.prepare(["setup", "preflight", "--node", "localhost"])
})

/** What the hive answered when it was asked to download something. */
const answers = new WeakMap<RbeeWorld, { readonly status: number; readonly text: string }>()

const answerOf = (world: RbeeWorld) => answers.get(world) ?? assert.fail("the hive was asked for nothing")

When("the hive is asked to download {string}", async function (this: RbeeWorld, model: string) {
  answers.set(this, await askHive(this.home, "/v1/models/download", { model }))
})

Then("it answers 202 with the path that the file will have, {string}", function (this: RbeeWorld, path: string) {
  const { status, text } = answerOf(this)
  assert.equal(status, 202, text)
  assert.equal(JSON.parse(text).local_path, this.fill(path))
})

Then(
  "its progress grows from event to event, of {int} bytes in all, up to ten a second, and ends with:",
  async function (this: RbeeWorld, total: number, table: DataTable) {
    const begin = performance.now()
    const { download_id } = JSON.parse(answerOf(this).text)
    const { status, text } = await askHive(this.home, `/v1/models/download/progress?id=${download_id}`)
    const took_s = (performance.now() - begin) / 1000
    assert.equal(status, 200, text)
    const data = text.split("\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []))
    assert.equal(data.at(-1), "[DONE]", text)
    const events = data.slice(0, -1).map((line) => JSON.parse(line))
    const progress = events.filter(({ stage }) => stage === "downloading")
    assert.ok(progress.length >= 3, text)
    assert.ok(progress.length <= 10 * took_s + 3, `${progress.length} events in ${took_s} s`)
    const sizes = progress.map(({ bytes_downloaded }) => bytes_downloaded)
    assert.deepEqual(
      sizes,
      [...sizes].sort((a, b) => a - b),
      text
    )
    assert.ok(new Set(sizes).size >= 3, text)
    assert.equal(sizes.at(-1), total)
    for (const { bytes_total } of progress) assert.equal(bytes_total, total)
    assert.ok(
      progress.some(({ speed_mbps }) => speed_mbps > 0),
      text
    )
    for (const [field, value] of Object.entries(table.rowsHash())) {
      assert.equal(`${events.at(-1)[field]}`, this.fill(value), text)
    }
  }
)

/** Of several that want the same. */
const firstDownload = (world: RbeeWorld) =>
  world.commands.find(({ args }) => args[0] === "models" && args[1] === "download") ?? assert.fail("none was started")

When("I press Ctrl+C in the first download", function (this: RbeeWorld) {
  assert.notEqual(firstDownload(this), this.last, "two commands run")
  firstDownload(this).signal("SIGINT")
})

Then("the first download ends with exit code {int}", async function (this: RbeeWorld, code: number) {
  assert.equal(await firstDownload(this).exit(), code, firstDownload(this).transcript)
})

Then("every command ended with exit code 0", async function (this: RbeeWorld) {
  for (const command of this.commands) assert.equal(await command.exit(), 0, command.transcript)
})

Then("the hive on localhost is alive", async function (this: RbeeWorld) {
  const { status, text } = await askHive(this.home, "/v1/health")
  assert.deepEqual([status, JSON.parse(text).status], [200, "alive"])
})

When("the hive is killed with SIGKILL", async function (this: RbeeWorld) {
  const hives = (await this.processes()).filter(({ role }) => role === "hive")
  assert.equal(hives.length, 1)
  for (const { pid } of hives) process.kill(pid, "SIGKILL")
  await untilEnded(hives, 5_000)
})
