/** One installation at work on a node: where, who hears of it, and what its steps have in common. */

import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { InstallFailed } from "../../domain/errors/Hive.js"
import type { NodeName } from "../../domain/Ids.js"
import { type Awaits, type InstallerEvent, Marker } from "../../domain/Install.js"
import { Narration } from "../../domain/Narration.js"
import { codeOf, messageOf } from "../../domain/Thrown.js"
import { runCommand } from "./commands.js"
import { hiveProgram, markerAt, markerFile } from "./place.js"

/** Where it works and whom it tells. */
export interface Site {
  readonly node: NodeName
  /** The final place. */
  readonly path: string
  /** Everything is made in here first. */
  readonly folder: string
  readonly tell: (event: InstallerEvent) => Effect.Effect<void>
}

/** An installation that is whole and works, ready to be moved to its final place. */
export interface Staged {
  readonly path: string
  readonly version: string
}

/** A line for people. */
export const say = ({ tell }: Pick<Site, "tell">, emoji: string, human: string): Effect.Effect<void> =>
  tell(Narration.make({ actor: "rbee-hive", emoji, human }))

/** The failure of a step. */
export const failure = (
  { node }: Pick<Site, "node">,
  step: string,
  reason: string,
  more: { readonly log_lines?: ReadonlyArray<string>; readonly suggestion?: string } = {}
): InstallFailed =>
  new InstallFailed({ node, step, reason, log_lines: more.log_lines ?? [], suggestion: more.suggestion ?? null })

const reasonOf = (error: unknown): string => (codeOf(error) === "ENOSPC" ? "the disk is full" : messageOf(error))

/** Work on files that is seen through: an interruption that left it running would let it write into what is being removed. */
export const files = <A>(
  site: Pick<Site, "node">,
  step: string,
  work: () => Promise<A>
): Effect.Effect<A, InstallFailed> =>
  Effect.uninterruptible(
    Effect.tryPromise({
      try: work,
      catch: (error) => failure(site, step, reasonOf(error))
    })
  )

/** How often a file that another process makes is looked for. */
const look = Duration.millis(100)

const bytesIn = async (folder: string): Promise<number> => {
  const names = await Fs.readdir(folder).catch(() => [])
  const sizes = await Promise.all(
    names.map((name) =>
      Fs.stat(Path.join(folder, name)).then(
        ({ size }) => size,
        () => 0
      )
    )
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** Asks for a file and waits until it is there; gives up when for that long nothing came at all. */
export const awaitFile = (
  site: Site,
  what: Awaits["what"],
  patience: Duration.Duration
): Effect.Effect<string, InstallFailed> =>
  Effect.gen(function* () {
    const path = Path.join(site.folder, what)
    yield* site.tell({ type: "awaits", what, path })
    let bytes = -1
    let since = 0
    for (;;) {
      const there = yield* Effect.promise(() =>
        Fs.access(path).then(
          () => true,
          () => false
        )
      )
      if (there) return path
      const [now, so_far] = yield* Effect.all([Clock.currentTimeMillis, Effect.promise(() => bytesIn(site.folder))])
      if (so_far !== bytes) [bytes, since] = [so_far, now]
      if (now - since > Duration.toMillis(patience)) {
        return yield* failure(site, what, `nothing came for ${Duration.format(patience)}`)
      }
      yield* Effect.sleep(look)
    }
  })

/** Loads what is compiled, as far as that package has it: what was built for another machine shows here. */
const loadAddons = `
const { createRequire } = require("node:module")
const { pathToFileURL } = require("node:url")
const from = createRequire(process.argv[1])
const find = (name) => { try { return from.resolve(name) } catch {} }
if (find("better-sqlite3")) new (from("better-sqlite3"))(":memory:").close()
const engine = find("node-llama-cpp")
if (engine) import(pathToFileURL(engine).href).then(() => process.exit(0), (error) => { console.error(error); process.exit(1) })
`

/** How long an installation may take to say its version. */
const patience = Duration.seconds(60)

/** Whether an installation works: its hive says its version, and its compiled parts load. Otherwise what it complains of. */
export const tryOut = (
  path: string
): Effect.Effect<{ readonly version: string } | { readonly complaints: ReadonlyArray<string> }> =>
  Effect.gen(function* () {
    const program = hiveProgram(path)
    const [asked, loaded] = yield* Effect.all(
      [runCommand([process.execPath, program, "--version"]), runCommand([process.execPath, "-e", loadAddons, program])],
      { concurrency: 2 }
    )
    const broken = [asked, loaded].find(({ code }) => code !== 0)
    return broken === undefined ? { version: asked.stdout.trim() } : { complaints: broken.complaints }
  }).pipe(
    Effect.timeoutTo({
      duration: patience,
      onSuccess: (outcome) => outcome,
      onTimeout: () => ({ complaints: [`no answer within ${Duration.format(patience)}`] })
    })
  )

const readMarker = Schema.decodeUnknownOption(Marker)

/** The version that stands there, if it is this very one and works. */
export const sameAlready = (
  { path }: Site,
  from: Marker["from"],
  identity: string
): Effect.Effect<Option.Option<string>> =>
  Effect.gen(function* () {
    const marker = readMarker(markerAt(path))
    if (!Option.exists(marker, (found) => found.from === from && found.identity === identity)) return Option.none()
    const outcome = yield* tryOut(path)
    return "version" in outcome ? Option.some(outcome.version) : Option.none()
  })

/** Tries what was made and marks it as ours. */
export const finish = (
  site: Site,
  path: string,
  from: Marker["from"],
  identity: string
): Effect.Effect<Staged, InstallFailed> =>
  Effect.gen(function* () {
    const outcome = yield* tryOut(path)
    if ("complaints" in outcome) {
      return yield* failure(site, "trying it out", "what was installed does not run", {
        log_lines: outcome.complaints,
        ...(from === "local" ? { suggestion: "Build it on the node instead: rbee setup install --from git" } : {})
      })
    }
    const at_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)
    const marker: Marker = { from, identity, version: outcome.version, at_unix }
    yield* files(site, "marking it", async () => {
      const file = await Fs.open(Path.join(path, markerFile), "w", 0o644)
      await file.writeFile(`${JSON.stringify(marker)}\n`)
      await file.sync()
      await file.close()
    })
    return { path, version: outcome.version }
  })
