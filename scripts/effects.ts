/**
 * `npm run check:effects`: how the sources use Effect, told by the compiler. The language service has a command for that, which loads the
 * project anew for every 50 files and takes twice as long. A compiler is made to tell it by a patch; ours is a copy, so that builds
 * and the check of types are what they were.
 */
import { execFileSync } from "node:child_process"
import { cpSync, rmSync } from "node:fs"
import { fileURLToPath } from "node:url"

process.chdir(fileURLToPath(new URL("..", import.meta.url)))
const compiler = "node_modules/.cache/typescript-effect"
const run = (program: string, ...args: ReadonlyArray<string>) =>
  execFileSync(process.execPath, [program, ...args], { stdio: "inherit" })

rmSync(compiler, { recursive: true, force: true })
cpSync("node_modules/typescript", compiler, { recursive: true })
try {
  run(
    "node_modules/@effect/language-service/cli.js",
    ...["patch", "--module", "tsc", "--dir", compiler],
    "--log-level=warn"
  )
  run(`${compiler}/bin/tsc`, "-p", "tsconfig.build.json", "--noEmit")
} catch {
  process.exitCode = 1 // it said what is wrong
}
