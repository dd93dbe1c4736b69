/** Worker binaries: git repositories that become one, the hive that builds them, and its catalog. */
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { crate, npmPackage, writing } from "../../test/support/binaries.js"
import { makeRepository, type Repository } from "../../test/support/gitRepository.js"
import { askHive, listedWorkers } from "../support/hive.js"
import { type Row, rowsOf } from "../support/tables.js"
import { type RbeeWorld, root } from "../support/world.js"

// --- sources -------------------------------------------------------------------------------------------------------

const repositories = new WeakMap<RbeeWorld, Repository>()

const repositoryWith = async (world: RbeeWorld, files: Readonly<Record<string, string>>): Promise<void> => {
  const folder = Path.join(world.folder, "sources")
  await Fs.mkdir(folder)
  const repository = await makeRepository(folder)
  await repository.commit(files)
  repositories.set(world, repository)
  world.named.set("git repository", repository.url)
}

/** Each build leaves a line there. */
const buildLog = (world: RbeeWorld): string => Path.join(world.folder, "builds.log")

/** What a build takes: long enough that a second one would be asked for meanwhile. */
const build_ms = 500

/** A worker that is rbee's own under another name and version. */
const workerOf = (version: string): string => `#!/usr/bin/env node
if (process.argv[2] === "--version") console.log("story-worker ${version}")
else {
  process.argv.splice(2, 0, "worker", "serve")
  import(${JSON.stringify(Path.join(root, "dist", "bin", "rbee.js"))})
}
`

const packageWith = (world: RbeeWorld, version: string, mode?: number): Readonly<Record<string, string>> =>
  npmPackage(
    `require("node:fs").appendFileSync(${JSON.stringify(buildLog(world))}, "built\\n")\n` +
      `setTimeout(() => { ${writing(workerOf(version), mode)} }, ${build_ms})\n`
  )

/** cargo finds its compiler by the real user's folders, which scenarios otherwise have nothing of. */
Given("cargo is on this machine", function (this: RbeeWorld) {
  try {
    const cargo = execFileSync("which", ["cargo"], { encoding: "utf8" }).trim()
    this.set(
      "PATH",
      [Path.join(this.folder, "bin"), Path.dirname(cargo), "/usr/local/bin", "/usr/bin", "/bin"].join(":")
    )
    this.set("RUSTUP_HOME", process.env.RUSTUP_HOME ?? Path.join(Os.homedir(), ".rustup"))
    return undefined
  } catch {
    return "skipped" // a machine without it cannot tell
  }
})

Given("a git repository with a crate", async function (this: RbeeWorld) {
  await repositoryWith(this, crate())
})

Given("a git repository with a crate that does not compile", async function (this: RbeeWorld) {
  await repositoryWith(this, crate('fn main() { let words: u32 = "no number"; }'))
})

Given("a git repository with a package, whose build writes a worker", async function (this: RbeeWorld) {
  await repositoryWith(this, packageWith(this, "1.2.3"))
})

Given(
  "a git repository with a package, whose build writes a file that is not executable",
  async function (this: RbeeWorld) {
    await repositoryWith(this, packageWith(this, "1.2.3", 0o644))
  }
)

Given("the hive's settings name the git repository", function (this: RbeeWorld) {
  this.set("RBEE_WORKER_GIT_REPO_URL", this.fill("{git repository}"))
})

When("version {string} of the worker is committed", async function (this: RbeeWorld, version: string) {
  await repositories.get(this)?.commit(packageWith(this, version))
})

// --- asking the hive -----------------------------------------------------------------------------------------------

type Answer = Awaited<ReturnType<typeof askHive>>

/** What the hive answered last, in the order it was asked. */
const answers = new WeakMap<RbeeWorld, ReadonlyArray<Answer>>()

const answerOf = (world: RbeeWorld): Answer =>
  answers.get(world)?.at(-1) ?? assert.fail("the hive was asked for nothing")

const bodyOf = (world: RbeeWorld, table: DataTable): object => {
  const { features = "", force_rebuild, ...rest } = table.rowsHash()
  const texts = Object.entries(rest).map(([field, value]) => [field, world.fill(value)])
  const list = features === "" ? [] : features.split(", ")
  return { ...Object.fromEntries(texts), features: list, force_rebuild: force_rebuild === "true" }
}

const provision = (world: RbeeWorld, table: DataTable): Promise<Answer> =>
  askHive(world.home, "/v1/worker-binaries/provision", bodyOf(world, table))

When("the hive is asked to build:", async function (this: RbeeWorld, table: DataTable) {
  answers.set(this, [await provision(this, table)])
})

When("the hive is asked twice at once to build:", async function (this: RbeeWorld, table: DataTable) {
  answers.set(this, await Promise.all([provision(this, table), provision(this, table)]))
})

When(
  "the hive is asked for a {string} with the model {string}",
  async function (this: RbeeWorld, worker_type: string, model: string) {
    answers.set(this, [await askHive(this.home, "/v1/workers/spawn", { worker_type, model })])
  }
)

Then("it answers with this worker binary:", function (this: RbeeWorld, table: DataTable) {
  const { status, text } = answerOf(this)
  assert.equal(status, 200, text)
  const binary: Readonly<Record<string, unknown>> = JSON.parse(text)
  for (const [field, value] of Object.entries(table.rowsHash())) {
    const found = field === "features" ? JSON.stringify(binary[field]) : `${binary[field]}`
    assert.equal(found, this.fill(value), field)
  }
})

Then("both are answered with the same worker binary", function (this: RbeeWorld) {
  const [one, other] = answers.get(this) ?? []
  assert.deepEqual([one?.status, other?.status], [200, 200], `${one?.text} ${other?.text}`)
  assert.deepEqual(JSON.parse(one?.text ?? ""), JSON.parse(other?.text ?? "{}"))
})

Then(
  "it refuses with {int} {string}: {string}",
  function (this: RbeeWorld, status: number, code: string, message: string) {
    const answer = answerOf(this)
    assert.equal(answer.status, status, answer.text)
    const { error }: { readonly error: Readonly<Record<string, unknown>> } = JSON.parse(answer.text)
    assert.equal(error.code, code)
    assert.equal(`${error.message}`.split("\n", 1)[0], message)
  }
)

Then("the refusal contains {string}", function (this: RbeeWorld, words: string) {
  assert.ok(answerOf(this).text.includes(words), answerOf(this).text)
})

/** What a build says is in the hive's log as well as in the answer's events. */
Then("it told, in this order:", async function (this: RbeeWorld, table: DataTable) {
  const log = await Fs.readFile(Path.join(this.home, "logs", "hive.log"), "utf8")
  let from = 0
  for (const [words = ""] of table.raw()) {
    const at = log.indexOf(this.fill(words), from)
    assert.ok(at >= 0, `${this.fill(words)} is not told after that:\n${log.slice(from)}`)
    from = at
  }
})

// --- what came of it -----------------------------------------------------------------------------------------------

const typesListed = async (world: RbeeWorld, query = ""): Promise<string> => {
  const { status, text } = await askHive(world.home, `/v1/worker-binaries/list${query}`)
  assert.equal(status, 200, text)
  const { binaries }: { readonly binaries: ReadonlyArray<{ readonly worker_type: string }> } = JSON.parse(text)
  return binaries.map(({ worker_type }) => worker_type).join(", ")
}

Then("the hive lists {string}", async function (this: RbeeWorld, types: string) {
  assert.equal(await typesListed(this), types)
})

Then("the hive lists {string} for the feature {string}", async function (this: RbeeWorld, types: string, feature) {
  assert.equal(await typesListed(this, `?feature=${feature}`), types)
})

const onlyRow = (world: RbeeWorld): Row => {
  const [row, ...others] = rowsOf(Path.join(world.home, "workers.db"), "worker_binaries")
  assert.ok(row !== undefined, "the table is empty")
  assert.deepEqual(others, [])
  return row
}

Then("the table of worker binaries holds just this row:", function (this: RbeeWorld, table: DataTable) {
  const row = onlyRow(this)
  for (const [column, value] of Object.entries(table.rowsHash())) {
    assert.equal(`${row[column]}`, this.fill(value), column)
  }
})

Then("it has an id, and was built just now", function (this: RbeeWorld) {
  const { id, built_at_unix } = onlyRow(this)
  assert.match(`${id}`, /^\S{4,}$/)
  const ago_s = Date.now() / 1000 - Number(built_at_unix)
  assert.ok(ago_s >= -1 && ago_s < 120, `${ago_s} s ago`)
})

Then(/^the build ran (once|twice)$/, async function (this: RbeeWorld, often: string) {
  const lines = (await Fs.readFile(buildLog(this), "utf8")).trimEnd().split("\n")
  assert.equal(lines.length, often === "once" ? 1 : 2)
})

Then("nothing was built", async function (this: RbeeWorld) {
  assert.deepEqual(await Fs.readdir(Path.join(this.home, "builds")).catch(() => []), [])
  assert.equal(await Fs.readFile(buildLog(this), "utf8").catch(() => ""), "")
})

Then(
  "a worker with the model {string} is idle, and its process runs {string}",
  async function (this: RbeeWorld, model: string, program: string) {
    const { status, text } = answerOf(this)
    assert.equal(status, 200, text)
    const [worker, ...others] = await listedWorkers(this.home)
    assert.deepEqual(others, [])
    assert.deepEqual([worker?.model_ref, worker?.state], [model, "idle"])
    const command = await Fs.readFile(`/proc/${worker?.pid}/cmdline`, "utf8")
    assert.ok(command.includes(program), command)
  }
)
