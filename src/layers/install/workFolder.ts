/** The folder beside an installation in which the next one is made, named after the process that makes it. */

import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { codeOf, messageOf } from "../../domain/Thrown.js"
import { identityOf } from "../processIdentity.js"

const digest = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 12)

/** What the names of all work folders for this path begin with that this machine makes: folders may be shared by machines. */
const prefixFor = (path: string): string => `.rbee-install-${digest(`${Os.hostname()} ${Path.basename(path)}`)}-`

/** The end of a process's name: its pid, and what tells it from others that have that pid at another time. */
const nameOf = (pid: number): string | undefined =>
  Option.getOrUndefined(Option.map(identityOf(pid), (identity) => `${pid}-${digest(JSON.stringify(identity))}`))

/** Where the installation that is replaced waits until the new one stands. */
export const oldIn = (folder: string): string => Path.join(folder, "old")

/** Where things go that are only still there because removing them takes time. */
const goneIn = (folder: string): string => Path.join(folder, "gone")

const ignoreMissing = (error: unknown) => {
  if (codeOf(error) !== "ENOENT") throw error
}

/** Moves something out of the way in one step, into a folder that is removed afterwards. */
export const putAway = async (path: string, folder: string): Promise<void> => {
  await Fs.mkdir(goneIn(folder), { recursive: true, mode: 0o700 })
  for (let n = 1; ; n += 1) {
    try {
      return await Fs.rename(path, Path.join(goneIn(folder), `${n}`))
    } catch (error) {
      if (codeOf(error) !== "ENOTEMPTY") return ignoreMissing(error)
    }
  }
}

/** Removes a work folder. What was replaced is renamed first: half of it must never be taken for an installation. */
const discard = async (folder: string): Promise<void> => {
  await putAway(oldIn(folder), folder).catch(ignoreMissing)
  await Fs.rm(folder, { recursive: true, force: true, maxRetries: 5 })
}

/** Removes what dead processes left. One that died between its two renames gets its old installation put back. */
const sweep = async (path: string): Promise<void> => {
  const parent = Path.dirname(path)
  const prefix = prefixFor(path)
  for (const name of (await Fs.readdir(parent)).filter((entry) => entry.startsWith(prefix))) {
    const pid = Number.parseInt(name.slice(prefix.length), 10)
    if (nameOf(pid) === name.slice(prefix.length)) continue
    const folder = Path.join(parent, name)
    const nothingThere = await Fs.access(path).then(
      () => false,
      () => true
    )
    if (nothingThere) await Fs.rename(oldIn(folder), path).catch(ignoreMissing)
    await discard(folder)
  }
}

/** A work folder of our own for that path, removed with the scope; what others left when they were killed is removed first. */
export const workFolder = (path: string): Effect.Effect<string, { readonly reason: string }, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({
      try: async () => {
        const parent = Path.dirname(path)
        await Fs.mkdir(parent, { recursive: true })
        await sweep(path)
        const folder = Path.join(parent, `${prefixFor(path)}${nameOf(process.pid) ?? process.pid}`)
        await Fs.mkdir(folder, { mode: 0o700 })
        return folder
      },
      catch: (error) => ({ reason: messageOf(error) })
    }),
    (folder) => Effect.promise(() => discard(folder))
  )
