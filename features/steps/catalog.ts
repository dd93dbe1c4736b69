/** Databases that are damaged, backed up and restored. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import { type RbeeWorld, root } from "../support/world.js"

const garbage = "this is no database".repeat(1000)

Given("a model that was downloaded before", async function (this: RbeeWorld) {
  const commit = "0123456789abcdef0123456789abcdef01234567"
  const folder = Path.join(this.home, "models", "someone--stories", commit)
  await Fs.mkdir(folder, { recursive: true })
  await Fs.copyFile(Path.join(root, "models", "tiny-stories.gguf"), Path.join(folder, "stories.Q8_0.gguf"))
  this.named.set("downloaded model", `hf:someone/stories/stories.Q8_0.gguf@${commit}`)
})

When("{string} is overwritten with garbage", async function (this: RbeeWorld, name: string) {
  await Fs.writeFile(Path.join(this.home, name), garbage)
})

When("{string} is cut in half", async function (this: RbeeWorld, name: string) {
  const path = Path.join(this.home, name)
  const { size } = await Fs.stat(path)
  await Fs.truncate(path, size / 2)
})

Then("the garbage is kept as it was, under a name that tells when", async function (this: RbeeWorld) {
  const kept = (await Fs.readdir(this.home)).filter((name) => /\.corrupt\.\d{8}T\d{6}Z$/.test(name))
  assert.equal(kept.length, 1, kept.join(", "))
  assert.equal(await Fs.readFile(Path.join(this.home, kept[0] ?? ""), "utf8"), garbage)
})

Then("the hive's log tells of these:", async function (this: RbeeWorld, table: DataTable) {
  const log = await Fs.readFile(Path.join(this.home, "logs", "hive.log"), "utf8")
  for (const [words = ""] of table.raw()) assert.ok(log.includes(words), `${words}\n${log}`)
})

/** Features then call them `{models backup}`, `{workers backup}` and `{beehives backup}`. */
Then("the backups are for my eyes alone", async function (this: RbeeWorld) {
  const folder = Path.join(this.home, "backups")
  const names = await Fs.readdir(folder)
  assert.equal(names.length, 3, names.join(", "))
  for (const name of names) {
    const path = Path.join(folder, name)
    assert.equal((await Fs.stat(path)).mode & 0o777, 0o600)
    const [, database] = /^(\w+)-\d{8}T\d{6}Z\.db$/.exec(name) ?? assert.fail(name)
    this.named.set(`${database} backup`, path)
  }
})
