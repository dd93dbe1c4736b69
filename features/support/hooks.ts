/** Before and after every scenario: a world of its own, and nothing left of it. */
import { access } from "node:fs/promises"
import * as Path from "node:path"
import {
  After,
  Before,
  BeforeAll,
  type ITestCaseHookParameter,
  Status,
  setDefaultTimeout,
  setWorldConstructor
} from "@cucumber/cucumber"
import { list } from "./processes.js"
import { RbeeWorld, root } from "./world.js"

setWorldConstructor(RbeeWorld)
// Every wait has a shorter deadline of its own, which says what it waited for.
setDefaultTimeout(150_000)

BeforeAll(async () => {
  await access(Path.join(root, "dist", "bin", "rbee.js")).catch(() => {
    throw new Error("the command is not built: npm run -s build:bin")
  })
})

Before(async function (this: RbeeWorld) {
  await this.open()
})

After(async function (this: RbeeWorld, { result }: ITestCaseHookParameter) {
  if (result?.status !== Status.PASSED) return tellAndClose(this)
  for (const goodbye of this.goodbyes) {
    await goodbye().catch(async (error: unknown) => {
      await tellAndClose(this)
      throw error
    })
  }
  const logs = await this.logs()
  const left = await this.close()
  if (left.length > 0) throw new Error(`left running:\n${list(left)}\n${logs}`)
})

/** A scenario that failed may well have left something running: that is no second failure. */
const tellAndClose = async (world: RbeeWorld): Promise<void> => {
  // On stderr: reports show a scenario's attachments by their kind alone.
  console.error(`${world.commands.map(({ transcript }) => transcript).join("\n")}\n${await world.logs()}`)
  await world.close()
}
