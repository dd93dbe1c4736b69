/** An installation that the node fetches with git and builds itself. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { InstallFailed } from "../../domain/errors/Hive.js"
import type { GitSource } from "../../domain/Install.js"
import { type CommandEnd, type CommandOptions, isOnPath, runCommand, unattended } from "./commands.js"
import { failure, finish, type Site, type Staged, sameAlready, say } from "./site.js"

/** The end of a long output says no more than its beginning did. */
const lines_max = 200
const columns_max = 160

/** Runs one of the steps, its output being narrated, and fails with its last words. */
const step = (
  site: Site,
  name: string,
  command: ReadonlyArray<string>,
  options: CommandOptions = {}
): Effect.Effect<CommandEnd, InstallFailed> =>
  Effect.gen(function* () {
    let told = 0
    const end = yield* runCommand(command, {
      ...options,
      env: { ...unattended, ...options.env },
      onLine: (line) => {
        told += 1
        return told > lines_max || line.trim() === "" ? Effect.void : say(site, "🔧", line.slice(0, columns_max))
      }
    })
    if (end.code === 0) return end
    const how = end.code === null ? "it was killed by a signal" : `exit code ${end.code}`
    return yield* failure(site, name, how, {
      log_lines: end.complaints,
      suggestion: "Mend the cause on the node, or build nothing there: rbee setup install --from local"
    })
  })

const requirePrograms = (site: Site) =>
  Effect.forEach(
    ["git", "npm"],
    (name) =>
      isOnPath(name)
        ? Effect.void
        : Effect.fail(
            failure(site, name, `${name} is not on the PATH of non-interactive shells there`, {
              suggestion: `Install ${name} on the node, or do without it: rbee setup install --from local`
            })
          ),
    { discard: true }
  )

const git = (...args: ReadonlyArray<string>) => [
  "git",
  "-c",
  "core.askPass=",
  "-c",
  "advice.detachedHead=false",
  ...args
]

/** The commit that a branch stands at. */
const headOf = (site: Site, { url, branch }: GitSource) =>
  Effect.gen(function* () {
    const { stdout } = yield* step(site, "git ls-remote", git("ls-remote", "--", url, `refs/heads/${branch}`), {
      onLine: () => Effect.void
    })
    const commit = /^[0-9a-f]{40,64}\b/.exec(stdout)?.[0]
    if (commit !== undefined) return commit
    return yield* failure(site, "git ls-remote", `${url} has no branch ${branch}`, {
      suggestion: "Name another: rbee setup update-node --git-branch …"
    })
  })

/** Clones the branch and builds it; none where its commit stands there already and works. */
export const fromGit = (site: Site, source: GitSource): Effect.Effect<Option.Option<Staged>, InstallFailed> =>
  Effect.gen(function* () {
    yield* requirePrograms(site)
    const wanted = yield* headOf(site, source)
    if (Option.isSome(yield* sameAlready(site, "git", wanted))) return Option.none()
    const fresh = Path.join(site.folder, "new")
    yield* say(site, "📥", `Cloning ${source.branch} at ${wanted.slice(0, 12)}`)
    const { url, branch } = source
    yield* step(
      site,
      "git clone",
      git("clone", "--quiet", "--depth", "1", "--single-branch", "--branch", branch, "--", url, fresh)
    )
    // It may have moved on since.
    const { stdout } = yield* step(site, "git rev-parse", git("-C", fresh, "rev-parse", "HEAD"))
    yield* say(site, "🔨", "Building: npm ci")
    // What builds it are development dependencies, which a NODE_ENV of production would leave out.
    yield* step(site, "npm ci", ["npm", "ci", "--include=dev", "--no-audit", "--no-fund", "--foreground-scripts"], {
      cwd: fresh,
      env: { npm_config_update_notifier: "false" }
    })
    return Option.some(yield* finish(site, fresh, "git", stdout.trim()))
  })
