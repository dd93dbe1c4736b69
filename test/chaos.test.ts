/** The chaos script, small: a kill of each kind of process, and the checks after each. `npm run chaos` kills 200. */
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const main = fileURLToPath(new URL("../scripts/chaos/main.ts", import.meta.url))

describe("chaos", () => {
  it("leaves nothing behind, and every request ends once", { timeout: 400_000 }, async () => {
    const args = ["--import", "tsx", main, "--kills", "4", "--seed", "68", "--minutes", "5"]
    const run = promisify(execFile)(process.execPath, args, { timeout: 380_000 }) // by SIGTERM, at which it tidies up
    const { stdout } = await run.catch(({ stdout, stderr }) => ({ stdout: `${stdout}${stderr}` }))
    assert.include(stdout, "kills 4\nviolations 0\n", stdout)
  })
})
