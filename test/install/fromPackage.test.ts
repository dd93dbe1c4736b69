/** The installer on a node, for real and without SSH: from a package that is sent. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  install,
  leftBeside,
  node,
  type Place,
  pack,
  place,
  purge,
  request,
  run,
  serve,
  start,
  stops,
  versionAt
} from "../support/installer.js"

/** A test with a place of its own. */
const at = (test: (at: Place) => Promise<void>) =>
  Effect.scoped(Effect.flatMap(place, (one) => Effect.promise(() => test(one))))

const nothingLeft = async (one: Place) => assert.deepStrictEqual(await leftBeside(one), [])

describe("the installer, from a package", () => {
  it.live("installs, and doing it again changes nothing and asks for no package", () =>
    at(async (one) => {
      const first = await pack(one, "1.0.0")
      const { code, last } = await install(one, first)
      assert.deepStrictEqual([code, last], [0, { type: "done", version: "1.0.0", changed: true }])
      assert.strictEqual(await versionAt(one), "1.0.0")
      const marker = JSON.parse(await Fs.readFile(Path.join(one.path, ".rbee-install.json"), "utf8"))
      assert.deepInclude(marker, { from: "local", identity: first.sha256, version: "1.0.0" })

      const again = await install(one, first)
      assert.deepStrictEqual(again.events, [{ type: "done", version: "1.0.0", changed: false }])
      await nothingLeft(one)
    })
  )

  it.live("what was installed is replaced once its hive was given up and stopped", () =>
    at(async (one) => {
      await install(one, await pack(one, "1.0.0"))
      const { last, events } = await install(one, await pack(one, "2.0.0"))
      assert.deepStrictEqual(last, { type: "done", version: "2.0.0", changed: true })
      assert.deepStrictEqual(
        events.flatMap((event) => (event.type === "awaits" ? [event.what] : [])),
        ["package", "release"]
      )
      assert.strictEqual(await versionAt(one), "2.0.0")
      assert.strictEqual(await stops(one), "stop 1.0.0\n")
      await nothingLeft(one)
    })
  )

  it.live("the same package, whose binary no longer answers, is installed anew", () =>
    at(async (one) => {
      const only = await pack(one, "1.0.0")
      await install(one, only)
      await Fs.writeFile(Path.join(one.path, "dist/bin/rbee-hive.js"), "process.exit(1)")
      const { last } = await install(one, only)
      assert.deepStrictEqual(last, { type: "done", version: "1.0.0", changed: true })
      assert.strictEqual(await versionAt(one), "1.0.0")
    })
  )

  it.live("a path below the home is below the folder that the session starts in", () =>
    at(async (one) => {
      const only = await pack(one, "1.0.0")
      const running = start(one, { ...request(one, only), path: "~/node/rbee" })
      await serve(running, only.file)
      assert.strictEqual(await versionAt(one), "1.0.0")
    })
  )

  it.live("an empty folder is taken, and behind a link as well", () =>
    at(async (one) => {
      const real = Path.join(one.folder, "elsewhere", "rbee")
      await Fs.mkdir(real, { recursive: true })
      await Fs.symlink(real, one.path)
      const { code } = await install(one, await pack(one, "1.0.0"))
      assert.strictEqual(code, 0)
      assert.isTrue((await Fs.lstat(one.path)).isSymbolicLink())
      assert.strictEqual(await versionAt({ ...one, path: real }), "1.0.0")
      assert.deepStrictEqual(await Fs.readdir(Path.dirname(real)), ["rbee"])
    })
  )

  it.live("a folder that rbee did not make is refused, by install and by purge, and left as it is", () =>
    at(async (one) => {
      await Fs.mkdir(one.path)
      await Fs.writeFile(Path.join(one.path, "precious"), "mine")
      for (const outcome of [await install(one, await pack(one, "1.0.0")), await purge(one)]) {
        assert.strictEqual(outcome.code, 1)
        assert.isTrue(outcome.last?.type === "failed" && outcome.last.error.reason.includes("did not put there"))
      }
      assert.deepStrictEqual(await Fs.readdir(one.path), ["precious"])
      await nothingLeft(one)
    })
  )

  it.live("a package that was harmed on its way changes nothing", () =>
    at(async (one) => {
      await install(one, await pack(one, "1.0.0"))
      const next = await pack(one, "2.0.0")
      const harmed = Path.join(one.folder, "harmed.tgz")
      const bytes = await Fs.readFile(next.file)
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1
      await Fs.writeFile(harmed, bytes)
      const { code, last } = await install(one, next, harmed)
      assert.strictEqual(code, 1)
      assert.isTrue(last?.type === "failed" && last.error.reason.includes(`instead of ${next.sha256}`))
      assert.strictEqual(await versionAt(one), "1.0.0")
      assert.strictEqual(await stops(one), "")
      await nothingLeft(one)
    })
  )

  it.live("what does not run is not installed, and its complaint is shown", () =>
    at(async (one) => {
      await install(one, await pack(one, "1.0.0"))
      const broken = { "package.json": "{}", "dist/bin/rbee-hive.js": `throw new Error("wrong machine")` }
      const { last } = await install(one, await pack(one, "2.0.0", broken))
      assert.isTrue(last?.type === "failed")
      if (last?.type !== "failed") return
      assert.deepInclude(last.error, { node, step: "trying it out" })
      assert.include(last.error.log_lines.join("\n"), "wrong machine")
      assert.include(last.error.suggestion ?? "", "--from git")
      assert.strictEqual(await versionAt(one), "1.0.0")
      await nothingLeft(one)
    })
  )

  it.live("a full disk changes nothing and says so", ({ skip }) =>
    at(async (one) => {
      const mount = Path.join(one.folder, "small")
      await Fs.mkdir(mount)
      if (
        !(await run("mount", ["-t", "tmpfs", "-o", "size=256k", "none", mount]).then(
          () => true,
          () => false
        ))
      ) {
        skip("a small disk cannot be made here: not root") // said in the report
      }
      try {
        const small = { ...one, path: Path.join(mount, "rbee") }
        await install(small, await pack(one, "1.0.0"))
        const big = { "dist/bin/rbee-hive.js": "console.log(1)", zeros: "0".repeat(1_000_000) }
        const { code, last } = await install(small, await pack(one, "2.0.0", big))
        assert.strictEqual(code, 1)
        assert.isTrue(last?.type === "failed" && last.error.reason === "the disk is full", JSON.stringify(last))
        assert.strictEqual(await versionAt(small), "1.0.0")
        await nothingLeft(small)
      } finally {
        await run("umount", [mount])
      }
    })
  )

  it.live("when whoever asked is gone, everything is as it was, and nothing is left", () =>
    at(async (one) => {
      await install(one, await pack(one, "1.0.0"))
      const running = start(one, request(one, await pack(one, "2.0.0")))
      const { path } = await running.next("awaits")
      await Fs.writeFile(`${path}.part`, "half of a package")
      running.child.stdin?.end()
      assert.strictEqual((await running.exit).code, 1)
      assert.strictEqual(await versionAt(one), "1.0.0")
      await nothingLeft(one)
    })
  )

  it.live(
    "killed at any moment, it leaves nothing half done under the final name, and the next run leaves nothing at all",
    () =>
      at(async (one) => {
        const versions = ["1.0.0", "2.0.0"]
        const packages = await Promise.all(versions.map((version) => pack(one, version)))
        for (let round = 0; round < 12; round += 1) {
          const next = packages[round % 2]
          assert.isDefined(next)
          const running = start(one, request(one, next))
          const served = serve(running, next.file)
          // From its first words on, ever later.
          await running.next("awaits")
          const timer = setTimeout(() => running.child.kill("SIGKILL"), round * 25)
          await running.exit
          clearTimeout(timer)
          await served
          const found = await versionAt(one)
          assert.isTrue(found === null || versions.includes(found), `round ${round}: ${found}`)
        }
        const again = await install(one, await pack(one, "3.0.0"))
        assert.strictEqual(again.code, 0)
        assert.strictEqual(await versionAt(one), "3.0.0")
        await nothingLeft(one)
      }),
    60_000
  )

  it.live("one that died between its two renames gets its old installation back", () =>
    at(async (one) => {
      const first = await pack(one, "1.0.0")
      await install(one, first)
      const running = start(one, request(one, await pack(one, "2.0.0")))
      const { path } = await running.next("awaits")
      running.child.kill("SIGKILL")
      await running.exit
      await Fs.rename(one.path, Path.join(Path.dirname(path), "old")) // as far as it came
      const again = await install(one, first)
      assert.deepStrictEqual(again.last, { type: "done", version: "1.0.0", changed: false })
      await nothingLeft(one)
    })
  )

  it.live("two at once do not hurt each other", () =>
    at(async (one) => {
      await install(one, await pack(one, "0.9.0"))
      const [a, b] = await Promise.all([pack(one, "1.0.0"), pack(one, "2.0.0")])
      const outcomes = await Promise.all([install(one, a), install(one, b)])
      assert.deepStrictEqual(
        outcomes.map(({ last }) => last?.type),
        ["done", "done"]
      )
      assert.include(["1.0.0", "2.0.0"], await versionAt(one))
      await nothingLeft(one)
    })
  )

  it.live("a running one's work folder is left alone by another", () =>
    at(async (one) => {
      const slow = start(one, request(one, await pack(one, "1.0.0")))
      const { path } = await slow.next("awaits")
      assert.strictEqual((await install(one, await pack(one, "2.0.0"))).code, 0)
      await Fs.access(Path.dirname(path))
      slow.child.stdin?.end()
      await slow.exit
      assert.strictEqual(await versionAt(one), "2.0.0")
      await nothingLeft(one)
    })
  )

  it.live("purge stops the hive and removes it all; again, there is nothing to do", () =>
    at(async (one) => {
      await install(one, await pack(one, "1.0.0"))
      const { last } = await purge(one)
      assert.deepStrictEqual(last, { type: "done", version: null, changed: true })
      assert.strictEqual(await stops(one), "stop 1.0.0\n")
      assert.deepStrictEqual(await Fs.readdir(Path.dirname(one.path)), ["stops"])
      assert.deepStrictEqual((await purge(one)).last, { type: "done", version: null, changed: false })
      await nothingLeft(one)
    })
  )
})
