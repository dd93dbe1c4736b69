/** Processes that write to a home's catalog, to be killed or to get in each other's way. */
import { spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import { createRequire } from "node:module"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import * as Effect from "effect/Effect"
import { build } from "esbuild"

/** The program in one piece, which starts in a fraction of the time, for a folder without node_modules. */
const bundle = async (): Promise<string> => {
  const require = createRequire(import.meta.url)
  const native = require.resolve("better-sqlite3")
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("catalogWriter.ts", import.meta.url))],
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    alias: { "better-sqlite3": native },
    external: [native],
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' }
  })
  return outputFiles[0]?.text ?? ""
}

let bundled: Promise<string> | undefined

/** Writers that are started at once do not write over each other's program. */
let writers = 0

/** How a writer ended, and the numbers of the entries that were acknowledged until then. */
export interface Written {
  readonly code: number | null
  readonly acknowledged: ReadonlyArray<number>
  readonly errors: string
}

/** Starts one that registers `count` models of that name (or the demo again and again, if it has none) in the home's catalog. */
export const catalogWriter = (home: string, name: string, count: number) =>
  Effect.promise(async () => {
    writers += 1
    const program = Path.join(home, `catalogWriter-${writers}.mjs`)
    bundled ??= bundle()
    await Fs.writeFile(program, await bundled)
    const child = spawn(process.execPath, [program, home, name, `${count}`], { stdio: ["ignore", "pipe", "pipe"] })
    let [out, errors] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors += text
    })
    const acknowledged = () => (out.match(/\d+(?=\n)/g) ?? []).map(Number)
    const ended = new Promise<Written>((resolve, reject) => {
      child.once("error", reject)
      child.once("close", (code) => resolve({ code, acknowledged: acknowledged(), errors }))
    })
    const begun = new Promise<void>((resolve) => child.stdout.once("data", () => resolve()))
    return {
      /** Waits for the first acknowledged entry, or for the end. */
      begun: Effect.promise(() => Promise.race([begun, ended.then(() => undefined)])),
      kill: Effect.sync(() => child.kill("SIGKILL")),
      ended: Effect.promise(() => ended)
    }
  })
