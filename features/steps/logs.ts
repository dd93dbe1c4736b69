/** Logs that are there, that grow, and that somebody looks at. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { Given, Then, When } from "@cucumber/cucumber"
import { list, untilEnded } from "../support/processes.js"
import type { RbeeWorld } from "../support/world.js"

/** Writes a line as rbee's logger does. */
const write = async (home: string, file: string, message: string) => {
  await Fs.mkdir(Path.join(home, "logs"), { recursive: true, mode: 0o700 })
  const entry = { message, logLevel: "INFO", timestamp: new Date().toISOString(), annotations: {}, spans: {} }
  await Fs.appendFile(Path.join(home, "logs", file), `${JSON.stringify(entry)}\n`, { mode: 0o600 })
}

const homeOf = (world: RbeeWorld, where: string) => (where === "" ? world.home : world.nodeHome)

Given(
  /^the hive( of the machine)? has logged "(.*)", and a worker (\S+) "(.*)" and "(.*)"$/,
  async function (this: RbeeWorld, where: string | null, words: string, id: string, first: string, second: string) {
    const home = homeOf(this, where ?? "")
    await write(home, "hive.log", words)
    await write(home, `worker-${id}.log`, first)
    await write(home, `worker-${id}.log`, second)
  }
)

When("the hive of the machine logs {string}", async function (this: RbeeWorld, words: string) {
  await write(this.nodeHome, "hive.log", words)
})

Then("it prints {string}", async function (this: RbeeWorld, words: string) {
  await this.last.prints("stdout", new RegExp(words))
})

Then("stdout does not contain {string}", function (this: RbeeWorld, words: string) {
  assert.ok(!this.last.out.includes(words), this.last.transcript)
})

/** What of rbee runs on the machine. */
const onMachine = async (world: RbeeWorld) => (await world.processes()).filter(({ home }) => home === world.nodeHome)

Then("a command follows the log on the machine", async function (this: RbeeWorld) {
  const [one, ...others] = await onMachine(this)
  assert.ok(one !== undefined && others.length === 0, list(await onMachine(this)))
})

Then(
  "nobody follows the log on the machine any more within {int} seconds",
  async function (this: RbeeWorld, seconds: number) {
    await untilEnded(await onMachine(this), seconds * 1000)
  }
)

Then("nothing was ever started on the machine but what showed its logs", async function (this: RbeeWorld) {
  assert.deepEqual(await Fs.readdir(this.nodeHome), ["logs"])
})
