/** The installer as it runs on a node, here: built afresh, started as a process, given what it asks for. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { createInterface } from "node:readline"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { buildInstaller } from "../../scripts/installer.js"
import { NodeName } from "../../src/domain/Ids.js"
import { InstallerEvent, InstallRequest } from "../../src/domain/Install.js"
import { sha256Of, writeArchive } from "../../src/layers/install/archive.js"
import { tempDir } from "./tempDir.js"

export const run = promisify(execFile)

/** A package in one file, as the queen sends it. */
export interface TestPackage {
  readonly file: string
  readonly sha256: string
  readonly version: string
}

/** A folder for an installation, the installer's program, and packages to install. */
export interface Place {
  readonly folder: string
  /** Where it is installed. */
  readonly path: string
  readonly program: string
}

let built: Promise<string> | undefined

/** Built once for all tests of a file. */
const installerIn = async (folder: string): Promise<string> => {
  await buildInstaller(folder)
  return Fs.readFile(Path.join(folder, "installer.js"), "utf8")
}

/** A place of a test's own. */
export const place = Effect.gen(function* () {
  const folder = yield* tempDir
  return yield* Effect.promise(async () => {
    built ??= installerIn(Path.join(folder, "built"))
    const program = Path.join(folder, "installer.cjs")
    await Fs.writeFile(program, await built)
    await Fs.mkdir(Path.join(folder, "node"))
    return { folder, path: Path.join(folder, "node", "rbee"), program }
  })
})

/** A hive that knows its version, and writes down that it was asked to stop. */
const hive = (version: string) => `#!/usr/bin/env node
const Fs = require("node:fs")
if (process.argv[2] === "--version") console.log("${version}")
else Fs.appendFileSync(require("node:path").join(__dirname, "../../../stops"), process.argv[2] + " ${version}\\n")
`

/** The files of a small package that has all an installation is known by. */
export const smallPackage = (version: string): Readonly<Record<string, string>> => ({
  "package.json": JSON.stringify({ name: "rbee", version, bin: { "rbee-hive": "dist/bin/rbee-hive.js" } }),
  "dist/bin/rbee-hive.js": hive(version)
})

/** Writes files below a folder. */
export const writeFiles = async (folder: string, files: Readonly<Record<string, string>>): Promise<void> => {
  for (const [path, text] of Object.entries(files)) {
    await Fs.mkdir(Path.dirname(Path.join(folder, path)), { recursive: true })
    await Fs.writeFile(Path.join(folder, path), text)
  }
}

/** Packs those files. */
export const pack = async (
  { folder }: Place,
  version: string,
  files: Readonly<Record<string, string>> = smallPackage(version)
): Promise<TestPackage> => {
  const source = await Fs.mkdtemp(Path.join(folder, "source-"))
  await writeFiles(source, files)
  const file = `${source}.tgz`
  const packed = Object.entries(files).map(([to, text]) => ({ from: Path.join(source, to), to, size: text.length }))
  await writeArchive(file, packed)
  return { file, sha256: await sha256Of(file), version }
}

/** The installer at work. */
export interface Running {
  readonly child: ChildProcess
  /** What it told so far. */
  readonly events: Array<InstallerEvent>
  /** Waits for its next event of that type. */
  readonly next: <T extends InstallerEvent["type"]>(type: T) => Promise<Extract<InstallerEvent, { type: T }>>
  /** Hears of every event, those that were included. */
  readonly listen: (listener: (event: InstallerEvent) => void) => void
  readonly exit: Promise<{ readonly code: number | null; readonly stderr: string }>
}

const decode = Schema.decodeUnknownSync(Schema.parseJson(InstallerEvent))
const encode = Schema.encodeSync(Schema.parseJson(InstallRequest))

/** Starts it. Its standard input stays open. */
export const start = (at: Place, request: InstallRequest, env: Readonly<Record<string, string>> = {}): Running => {
  const child = spawn(process.execPath, [at.program], {
    cwd: at.folder,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"]
  })
  const events: Array<InstallerEvent> = []
  const listeners: Array<(event: InstallerEvent) => void> = []
  let stderr = ""
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text
  })
  createInterface({ input: child.stdout }).on("line", (line) => {
    const event = decode(line)
    events.push(event)
    for (const listener of listeners) listener(event)
  })
  child.stdin.on("error", () => {}) // it has ended
  child.stdin.write(`${encode(request)}\n`)
  const exit = new Promise<{ code: number | null; stderr: string }>((done) =>
    child.once("close", (code) => done({ code, stderr }))
  )
  const listen = (listener: (event: InstallerEvent) => void) => {
    listeners.push(listener)
    for (const event of events) listener(event)
  }
  const next = <T extends InstallerEvent["type"]>(type: T) =>
    new Promise<Extract<InstallerEvent, { type: T }>>((resolve, reject) => {
      listen((event) => {
        if (isOf(type)(event)) resolve(event)
      })
      exit.then(() => reject(new Error(`it ended without ${type}: ${JSON.stringify(events)} ${stderr}`)))
    })
  return { child, events, next, listen, exit }
}

const isOf =
  <T extends InstallerEvent["type"]>(type: T) =>
  (event: InstallerEvent): event is Extract<InstallerEvent, { type: T }> =>
    event.type === type

/** Gives it what it asks for, as the queen does, until it ends. */
export const serve = async (running: Running, file: string | null = null): Promise<void> => {
  const giving: Array<Promise<void>> = []
  running.listen((event) => {
    if (event.type === "awaits") giving.push(give(event.path, event.what === "package" ? file : null).catch(() => {})) // it ended
  })
  await running.exit
  await Promise.all(giving)
}

const give = async (path: string, file: string | null) => {
  await (file === null ? Fs.writeFile(`${path}.part`, "") : Fs.copyFile(file, `${path}.part`))
  await Fs.rename(`${path}.part`, path)
}

/** What it came to. */
export interface Outcome {
  readonly code: number | null
  readonly events: ReadonlyArray<InstallerEvent>
  readonly last: InstallerEvent | undefined
  readonly stderr: string
}

const outcomeOf = async (running: Running): Promise<Outcome> => {
  const { code, stderr } = await running.exit
  return { code, stderr, events: running.events, last: running.events.at(-1) }
}

export const node = NodeName.make("workstation")

/** Installs a package to the end. */
export const install = async (at: Place, of: TestPackage, sent: string = of.file): Promise<Outcome> => {
  const running = start(at, request(at, of))
  await serve(running, sent)
  return outcomeOf(running)
}

/** The request that installs a package. */
export const request = (at: Place, of: TestPackage): InstallRequest => ({
  action: "install",
  node,
  path: at.path,
  source: { from: "local", sha256: of.sha256, version: of.version }
})

/** Installs a branch to the end. */
export const installFrom = async (
  at: Place,
  url: string,
  branch = "main",
  env: Readonly<Record<string, string>> = {}
): Promise<Outcome> => {
  const running = start(at, { action: "install", node, path: at.path, source: { from: "git", url, branch } }, env)
  await serve(running)
  return outcomeOf(running)
}

/** Removes what is installed. */
export const purge = async (at: Place): Promise<Outcome> => {
  const running = start(at, { action: "purge", node, path: at.path })
  await serve(running)
  return outcomeOf(running)
}

/** The version that answers there; null where nothing is. */
export const versionAt = async ({ path }: Place): Promise<string | null> => {
  const program = Path.join(path, "dist", "bin", "rbee-hive.js")
  if (
    !(await Fs.stat(program).then(
      () => true,
      () => false
    ))
  )
    return null
  return (await run(process.execPath, [program, "--version"])).stdout.trim()
}

/** What is beside the installation: nothing, unless something was left. */
export const leftBeside = async ({ path }: Place): Promise<ReadonlyArray<string>> =>
  (await Fs.readdir(Path.dirname(path))).filter((name) => ![Path.basename(path), "stops"].includes(name))

/** What hives were asked. */
export const stops = ({ path }: Place): Promise<string> =>
  Fs.readFile(Path.join(Path.dirname(path), "stops"), "utf8").catch(() => "")
