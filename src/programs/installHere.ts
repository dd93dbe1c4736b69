import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { InstallFailed } from "../domain/errors/Hive.js"
import { localhost } from "../domain/Ids.js"
import {
  commentedOut,
  type InstallScope,
  type LocalInstallation,
  type Places,
  placesOf,
  programIn,
  programNames,
  shellWord,
  system_config,
  system_token
} from "../domain/LocalInstall.js"
import { serviceCommands, unitsOf } from "../domain/SystemdUnits.js"
import { version } from "../domain/Version.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Packager } from "../services/Packager.js"
import { Premises, type ProgramLink } from "../services/Premises.js"
import { Settings } from "../services/Settings.js"

const say = voiceOf("rbee-keeper")

const refused = (step: string, reason: string, suggestion: string | null = null): InstallFailed =>
  new InstallFailed({ node: localhost, step, reason, log_lines: [], suggestion })

/**
 * Puts the rbee that runs in its place on this machine: the package, links to its programs, a configuration where there is none,
 * and unit files. Everything is looked at first; what is not ours is refused then, and never replaced. Doing it again changes nothing.
 */
export const installHere: (
  scope: InstallScope
) => Effect.Effect<LocalInstallation, InstallFailed, Premises | Packager | Settings | Narrator> = Effect.fn(
  "rbee.installHere"
)(function* (scope) {
  const premises = yield* Premises
  const { surroundings } = premises
  const places = placesOf(scope, surroundings)
  const links = programNames.map(
    (name): ProgramLink => ({ path: `${places.bin}/${name}`, target: programIn(places.app, name) })
  )
  yield* refuseForeign(places, links)
  const configured = yield* configurationThatCounts(scope, places)
  yield* refuseUnwritable(scope, places, configured === places.config)

  const { changed, replaced } = yield* putPackage(places.app)
  yield* Effect.forEach(links, premises.link, { discard: true })
  const written = configured === places.config && (yield* writeConfig(scope, configured))
  const { drain } = (yield* Settings).timeouts
  const units = unitsOf({ scope, places, surroundings, drain, has_token: yield* premises.exists(system_token) })
  yield* Effect.forEach(units, ({ path, text }) => premises.writeFile(path, text), { discard: true })

  yield* say("✅", `rbee ${version} ${changed ? "is" : "was"} installed in ${places.app}${changed ? "" : " already"}`)
  yield* hint(scope, places)
  return {
    ...{ scope, version, changed, app: places.app, links: links.map(({ path }) => path), units },
    config: { path: configured, written },
    commands: serviceCommands(scope, units, { replaced })
  }
}, Effect.scoped)

const refuseForeign = Effect.fnUntraced(function* ({ app }: Places, links: ReadonlyArray<ProgramLink>) {
  const { packageAt, linkAt } = yield* Premises
  const notOurs = (path: string) =>
    refused(
      "looking at what is there",
      `${path} is something that rbee did not put there`,
      `Move it away: mv ${shellWord(path)} ${shellWord(`${path}.old`)}`
    )
  if ((yield* packageAt(app)) === "other") return yield* notOurs(app)
  for (const link of links) if ((yield* linkAt(link)) === "other") return yield* notOurs(link.path)
})

/** A user's first file would hide that of the whole machine: where there is one, it is the one that counts. */
const configurationThatCounts = Effect.fnUntraced(function* (scope: InstallScope, { config }: Places) {
  const { exists } = yield* Premises
  if (scope === "system" || (yield* exists(config))) return config
  return (yield* exists(system_config)) ? system_config : config
})

const refuseUnwritable = Effect.fnUntraced(function* (scope: InstallScope, places: Places, configures: boolean) {
  const { unwritable, surroundings } = yield* Premises
  for (const path of [
    places.app,
    `${places.units}/unit`,
    `${places.bin}/rbee`,
    ...(configures ? [places.config] : [])
  ]) {
    const folder = yield* unwritable(path)
    if (Option.isNone(folder)) continue
    const { node, program } = surroundings
    return yield* refused(
      "looking at what is there",
      `you may not write to ${folder.value}`,
      scope === "system"
        ? `Run it as root: sudo ${shellWord(node)} ${shellWord(program)} install --system`
        : `Make it yours: sudo chown "$(id -un)" ${shellWord(folder.value)}`
    )
  }
})

/** Whether anything changed, and whether something of ours was there before. */
const putPackage = Effect.fnUntraced(function* (app: string) {
  const { packageAt, install, surroundings } = yield* Premises
  const there = yield* packageAt(app)
  if (there === "itself") return { changed: false, replaced: true }
  yield* say("📦", "Packing rbee and what it needs to run")
  const { pack } = yield* Packager
  const packed = yield* Effect.mapError(pack({ cuda: surroundings.nvidia }), ({ reason }) => refused("packing", reason))
  const { changed } = yield* install(app, packed)
  return { changed, replaced: there === "rbee" }
})

const writeConfig = Effect.fnUntraced(function* (scope: InstallScope, path: string) {
  const premises = yield* Premises
  const written = yield* premises.writeConfig(path, commentedOut(yield* premises.example), scope === "user")
  if (written) yield* say("📝", `Every setting with its default, for you to change: ${path}`)
  return written
})

/** What would surprise whoever types `rbee` next. */
const hint = Effect.fnUntraced(function* (scope: InstallScope, { bin }: Places) {
  const { surroundings, exists } = yield* Premises
  const { search_path, home, node } = surroundings
  const at = search_path.indexOf(bin)
  if (at === -1) {
    const line = `export PATH=${shellWord(bin)}:"$PATH"`
    yield* say("⚠️", `${bin} is not on your PATH. Add this line to your shell's start-up file: ${line}`)
  }
  for (const folder of search_path.slice(0, Math.max(at, 0))) {
    if (yield* exists(`${folder}/rbee`)) yield* say("⚠️", `Another rbee comes first on your PATH: ${folder}/rbee`)
  }
  if (scope === "system" && [home, "/home", "/root"].some((folder) => node.startsWith(`${folder}/`))) {
    yield* say("⚠️", `${node} may be out of others' reach, services included: install Node for the whole machine`)
  }
})
