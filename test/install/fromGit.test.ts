/** The installer on a node, for real and without SSH: from a git repository that the test makes; no network is needed. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeRepository, type Repository } from "../support/gitRepository.js"
import {
  install,
  installFrom,
  leftBeside,
  node,
  type Place,
  pack,
  place,
  smallPackage,
  start,
  stops,
  versionAt
} from "../support/installer.js"

/** A project whose hive is there once it is built. */
const project = (version: string, prepare = "node build.js"): Readonly<Record<string, string>> => {
  const name = "rbee"
  const { "dist/bin/rbee-hive.js": hive = "" } = smallPackage(version)
  return {
    "package.json": JSON.stringify({ name, version, scripts: { prepare } }),
    "package-lock.json": JSON.stringify({ name, version, lockfileVersion: 3, packages: { "": { name, version } } }),
    "hive.js": hive,
    "build.js": `
      const fs = require("node:fs")
      console.log("building the hive")
      fs.mkdirSync("dist/bin", { recursive: true })
      fs.copyFileSync("hive.js", "dist/bin/rbee-hive.js")`
  }
}

/** A test with a place and a repository of its own. */
const withGit = (test: (at: Place, repository: Repository) => Promise<void>) =>
  Effect.scoped(Effect.flatMap(place, (one) => Effect.promise(async () => test(one, await makeRepository(one.folder)))))

const reasonOf = ({ last }: Awaited<ReturnType<typeof installFrom>>) =>
  last?.type === "failed" ? last.error : undefined

describe("the installer, from git", () => {
  it.live(
    "clones and builds, narrates it, changes nothing for the same commit, and follows the branch",
    () =>
      withGit(async (one, { url, commit }) => {
        const first = await commit(project("1.0.0"))
        const { last, events } = await installFrom(one, url)
        assert.deepStrictEqual(last, { type: "done", version: "1.0.0", changed: true })
        const told = events.flatMap((event) => (event.type === "narration" ? [event.human] : []))
        assert.include(told, `Cloning main at ${first.slice(0, 12)}`)
        assert.include(told, "building the hive")
        assert.strictEqual(await versionAt(one), "1.0.0")

        assert.deepStrictEqual((await installFrom(one, url)).last, { type: "done", version: "1.0.0", changed: false })

        await commit(project("2.0.0"))
        assert.deepStrictEqual((await installFrom(one, url)).last, { type: "done", version: "2.0.0", changed: true })
        assert.strictEqual(await stops(one), "stop 1.0.0\n")
        assert.deepStrictEqual(await leftBeside(one), [])
      }),
    60_000
  )

  it.live(
    "a build that fails shows its last words and changes nothing",
    () =>
      withGit(async (one, { url, commit }) => {
        await install(one, await pack(one, "0.9.0"))
        await commit(project("1.0.0", `node -e 'console.error("no compiler here"); process.exit(3)'`))
        const outcome = await installFrom(one, url)
        const error = reasonOf(outcome)
        assert.strictEqual(outcome.code, 1)
        assert.deepInclude(error, { node, step: "npm ci" })
        assert.include(error?.log_lines.join("\n") ?? "", "no compiler here")
        assert.isAtMost(error?.log_lines.length ?? 99, 20)
        assert.strictEqual(await versionAt(one), "0.9.0")
        assert.deepStrictEqual(await leftBeside(one), [])
      }),
    60_000
  )

  it.live("a branch that is not there is named, and a repository that is not there shows git's words", () =>
    withGit(async (one, { url, commit }) => {
      await commit(project("1.0.0"))
      assert.deepInclude(reasonOf(await installFrom(one, url, "nightly")), {
        step: "git ls-remote",
        reason: `${url} has no branch nightly`
      })
      const error = reasonOf(await installFrom(one, `${url}-not`))
      assert.include(error?.log_lines.join("\n") ?? "", "does not appear to be a git repository")
      assert.deepStrictEqual(await Fs.readdir(Path.dirname(one.path)), [])
    })
  )

  it.live("without git, or without npm, it says which is missing and what does without", () =>
    withGit(async (one, { url }) => {
      const bin = Path.join(one.folder, "bin")
      await Fs.mkdir(bin)
      const error = async () => reasonOf(await installFrom(one, url, "main", { PATH: bin }))
      assert.include((await error())?.reason ?? "", "git is not on the PATH")
      assert.include((await error())?.suggestion ?? "", "--from local")
      await Fs.writeFile(Path.join(bin, "git"), "#!/bin/sh\n", { mode: 0o755 })
      assert.include((await error())?.reason ?? "", "npm is not on the PATH")
    })
  )

  for (const [how, end] of [
    [
      "when whoever asked is gone",
      (child: { kill: (signal: "SIGKILL") => void; stdin: { end: () => void } | null }) => child.stdin?.end()
    ],
    ["killed with -9", (child: { kill: (signal: "SIGKILL") => void }) => child.kill("SIGKILL")]
  ] as const) {
    it.live(
      `${how} in the middle of a build, the build ends with it`,
      () =>
        withGit(async (one, { url, commit }) => {
          // The build says its pid and waits for an end that comes from outside.
          const stuck = "console.log('pid ' + process.pid); setInterval(() => {}, 1000)"
          await commit(project("1.0.0", `node -e "${stuck}"`))
          const running = start(one, {
            action: "install",
            node,
            path: one.path,
            source: { from: "git", url, branch: "main" }
          })
          const pid = await new Promise<number>((resolve) =>
            running.listen((event) => {
              const found = event.type === "narration" ? /^pid (\d+)/.exec(event.human) : null
              if (found !== null) resolve(Number(found[1]))
            })
          )
          const gone = untilGone(pid)
          end(running.child)
          await running.exit
          await gone
          assert.deepStrictEqual(
            await Fs.readdir(Path.dirname(one.path)).then((names) => names.includes("rbee")),
            false
          )

          await commit(project("1.0.1"))
          assert.strictEqual((await installFrom(one, url)).code, 0)
          assert.deepStrictEqual(await leftBeside(one), [])
        }),
      60_000
    )
  }
})

/** Waits until no process has that pid; the kernel tells only parents, which we are not. */
const untilGone = async (pid: number): Promise<void> => {
  for (;;) {
    const stat = await Fs.readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined)
    if (stat === undefined || stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z")) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
