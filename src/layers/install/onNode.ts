/** Installing and removing, as it happens on the node: everything is made beside the final place and moved there last. */

import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { InstallFailed } from "../../domain/errors/Hive.js"
import type { InstallDone, InstallRequest } from "../../domain/Install.js"
import { codeOf } from "../../domain/Thrown.js"
import { runCommand } from "./commands.js"
import { fromGit } from "./fromGit.js"
import { fromPackage } from "./fromPackage.js"
import { foundAt, hiveProgram, locate } from "./place.js"
import { awaitFile, failure, files, type Site, type Staged, sameAlready, say } from "./site.js"
import { oldIn, putAway, workFolder } from "./workFolder.js"

type Install = Extract<InstallRequest, { readonly action: "install" }>

/** What is done before an older installation is replaced. */
type Release = (site: Site) => Effect.Effect<void, InstallFailed>

/**
 * Does what is asked. Interruption leaves things as they were, or as they are to be, and nothing half done. Before an older
 * installation is replaced, its hive is given up by whoever asked, and stopped.
 */
export const doOnNode = (
  request: InstallRequest,
  tell: Site["tell"],
  release: Release = releaseHive
): Effect.Effect<InstallDone, InstallFailed> =>
  Effect.gen(function* () {
    const { node, action } = request
    const path = locate(request.path)
    yield* refuseForeign({ node, path }, action)
    const folder = yield* Effect.mapError(workFolder(path), ({ reason }) =>
      failure({ node }, "making room", `no folder can be made beside ${path}: ${reason}`)
    )
    const site: Site = { node, path, folder, tell }
    return yield* action === "install" ? install(site, request, release) : purge(site)
  }).pipe(Effect.scoped)

/** What we did not put there is not ours to replace or remove. */
const refuseForeign = (site: Pick<Site, "node" | "path">, action: InstallRequest["action"]) =>
  foundAt(site.path) === "other"
    ? Effect.fail(
        failure(site, "looking at the install path", `${site.path} holds something that rbee did not put there`, {
          suggestion:
            action === "install"
              ? "Move it away, or name another folder: rbee setup update-node --install-path …"
              : `It was left as it is. Remove it yourself, if it is not needed: rm -r '${site.path}'`
        })
      )
    : Effect.void

const install = (site: Site, { source }: Install, release: Release): Effect.Effect<InstallDone, InstallFailed> =>
  Effect.gen(function* () {
    const same = source.from === "local" ? yield* sameAlready(site, "local", source.sha256) : Option.none<string>()
    if (Option.isSome(same)) return unchanged(same.value)
    const staged =
      source.from === "local" ? Option.some(yield* fromPackage(site, source)) : yield* fromGit(site, source)
    if (Option.isNone(staged)) return unchanged(yield* versionAt(site))
    if (foundAt(site.path) === "rbee") yield* release(site)
    yield* files(site, "moving it to its place", () => exchange(site, staged.value))
    return { type: "done", version: staged.value.version, changed: true }
  })

const unchanged = (version: string): InstallDone => ({ type: "done", version, changed: false })

const versionAt = ({ path }: Site) =>
  Effect.map(runCommand([process.execPath, hiveProgram(path), "--version"]), ({ stdout }) => stdout.trim())

const releaseHive: Release = (site) => Effect.zipRight(awaitFile(site, "release", Duration.minutes(10)), stopHive(site))

/** A hive of the old installation: the files that it has not loaded yet are about to go. */
export const stopHive = (site: Site) =>
  Effect.gen(function* () {
    const end = yield* runCommand([process.execPath, hiveProgram(site.path), "stop"], {
      onLine: (line) => say(site, "🐝", line.replace(/^\[[\w-]+\] \S+ /, ""))
    })
    if (end.code !== 0) yield* say(site, "⚠️", `The old installation's hive could not be asked to stop`)
  })

/** How often another installation may be quicker between our two renames. */
const races_max = 10

/** The old one away, the new one in; the old one back where that fails. */
const exchange = async ({ path, folder }: Site, staged: Staged): Promise<void> => {
  const old = oldIn(folder)
  const putBack = () => Fs.rename(old, path).catch(() => {}) // there was none
  for (let races = 0; ; races += 1) {
    await putAway(old, folder) // of a race before
    await Fs.rename(path, old).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw error
    })
    try {
      await Fs.rename(staged.path, path)
      break
    } catch (error) {
      const beaten = codeOf(error) === "ENOTEMPTY" || codeOf(error) === "EEXIST"
      if (beaten && races < races_max) continue
      await putBack()
      throw error
    }
  }
  const parent = await Fs.open(Path.dirname(path), "r")
  await parent.sync().finally(() => parent.close())
}

const purge = (site: Site): Effect.Effect<InstallDone, InstallFailed> =>
  Effect.gen(function* () {
    const found = foundAt(site.path)
    if (found !== "rbee") {
      yield* say(site, "💤", `Nothing of rbee is at ${site.path}`)
      return { type: "done", version: null, changed: false }
    }
    yield* stopHive(site)
    yield* files(site, "removing it", () => putAway(site.path, site.folder)) // the folder goes with the scope
    return { type: "done", version: null, changed: true }
  })
