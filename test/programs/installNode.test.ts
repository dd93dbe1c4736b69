import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { InstallFailed } from "../../src/domain/errors/Hive.js"
import type { InstallRequest } from "../../src/domain/Install.js"
import { Narration } from "../../src/domain/Narration.js"
import type { InstallSource, NodeRecord } from "../../src/domain/Node.js"
import { installNode } from "../../src/programs/installNode.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import { PackagerTest } from "../../src/testing/PackagerTest.js"
import { SshTest } from "../../src/testing/SshTest.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { failsWith } from "../support/assertFails.js"
import { installable, type TestInstaller, type TestNode } from "../support/installNode.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, workstation } from "../support/samples.js"

const withNode = (given: TestNode, world: TestWorld = {}) =>
  inWorld({ ...world, hosts: { "workstation.lan": installable(given) } })
const packages = Effect.flatMap(PackagerTest, ({ journal }) => journal)
const uploads = Effect.flatMap(SshTest, ({ filesOn }) => filesOn("workstation.lan"))
const hives = Effect.flatMap(HivesTest, ({ journal }) => journal)
const sha256 = "5ba".padEnd(64, "0")

const refused = (from: InstallSource, reason: string, suggestion: string | null, of: NodeRecord = node()) =>
  failsWith(
    installNode(of, from),
    new InstallFailed({ node: workstation, step: "preflight", reason, log_lines: [], suggestion })
  )

/** Asks for all that it may ask for, in the order in which the real one does. */
const thorough =
  (requests: Array<InstallRequest> = []): TestInstaller =>
  (request, { tell, made }) =>
    Effect.gen(function* () {
      requests.push(request)
      yield* tell({ type: "awaits", what: "package", path: "/home/bee/work/package" })
      yield* tell({ type: "awaits", what: "release", path: "/home/bee/work/release" })
      yield* made("/home/bee/work/release")
      yield* tell(Narration.make({ actor: "rbee-hive", emoji: "🚚", human: "Moving it to its place" }))
      yield* tell({ type: "done", version: "0.1.0", changed: true })
      return 0
    })

describe("installNode", () => {
  it.effect("local: looks, packs, uploads, gives the old hive up, and says what is there now", () => {
    const requests: Array<InstallRequest> = []
    return Effect.gen(function* () {
      assert.deepStrictEqual(yield* installNode(node(), "local"), {
        node: workstation,
        from: "local",
        install_path: "~/rbee",
        version: "0.1.0",
        changed: true
      })
      assert.deepStrictEqual(requests, [
        {
          action: "install",
          node: workstation,
          path: "~/rbee",
          source: { from: "local", sha256, version: "0.1.0" }
        }
      ])
      assert.deepStrictEqual([...(yield* uploads)], [["/home/bee/work/package", "/tmp/rbee.tgz"]])
      assert.deepStrictEqual(yield* hives, [{ _tag: "released", node: workstation }])
      assert.deepStrictEqual(yield* packages, [{ _tag: "packed", cuda: false }, { _tag: "removed" }])
      assert.deepStrictEqual(yield* lines, [
        "Looking at workstation",
        "Packing rbee and what it needs to run",
        "Uploading 17.0 MB",
        "Moving it to its place",
        "rbee 0.1.0 is installed on workstation in /home/bee/rbee"
      ])
      const reports = yield* Effect.flatMap(NarratorTest, (narrator) => narrator.reports)
      const progress = reports.filter(({ type }) => type === "progress")
      assert.deepInclude(progress.at(-1), { stage: "uploading", bytes_uploaded: 1024, bytes_total: 1024 })
      const events = yield* Effect.flatMap(SshTest, ({ journal }) => journal)
      assert.strictEqual(events.at(-1)?._tag, "closed")
    }).pipe(withNode({ installer: thorough(requests) }))
  })

  it.effect("git: asks for the branch, packs nothing", () => {
    const requests: Array<InstallRequest> = []
    const installer: TestInstaller = (request, { tell }) => {
      requests.push(request)
      return Effect.as(tell({ type: "done", version: "0.1.0", changed: true }), 0)
    }
    return Effect.gen(function* () {
      yield* installNode(node(), "git")
      const source = { from: "git" as const, url: "https://example.org/rbee.git", branch: "main" }
      assert.deepStrictEqual(requests, [{ action: "install", node: workstation, path: "~/rbee", source }])
      assert.deepStrictEqual(yield* packages, [])
      assert.deepStrictEqual(yield* hives, [])
    }).pipe(withNode({ installer }))
  })

  it.effect("what is there already is left, and no hive is given up", () =>
    Effect.gen(function* () {
      const { changed } = yield* installNode(node(), "local")
      assert.isFalse(changed)
      assert.deepStrictEqual(yield* hives, [])
      assert.strictEqual((yield* lines).at(-1), "rbee 0.1.0 was on workstation already: nothing to do")
    }).pipe(
      withNode({ installer: (_, { tell }) => Effect.as(tell({ type: "done", version: "0.1.0", changed: false }), 0) })
    )
  )

  it.effect("a node with NVIDIA's driver gets the parts for it", () =>
    Effect.gen(function* () {
      yield* installNode(node(), "local")
      assert.deepInclude(yield* packages, { _tag: "packed", cuda: true })
    }).pipe(withNode({ facts: { nvidia: true }, installer: thorough() }))
  )

  describe("preflight, before anything is sent", () => {
    const afterwards = Effect.gen(function* () {
      assert.lengthOf(yield* Effect.flatMap(SshTest, ({ commandsOn }) => commandsOn("workstation.lan")), 1)
      assert.deepStrictEqual([...(yield* uploads)], [])
    })
    const it_refuses = (
      what: string,
      given: TestNode,
      from: InstallSource,
      reason: string,
      suggestion: string | null,
      world: TestWorld = {}
    ) =>
      it.effect(what, () => Effect.zipRight(refused(from, reason, suggestion), afterwards).pipe(withNode(given, world)))

    it.effect("a node that names no repository to build from", () =>
      Effect.zipRight(
        refused(
          "git",
          "the node names no git repository",
          "Name one: rbee setup update-node --name workstation --git-repo URL",
          node({ git_repo_url: null })
        ),
        afterwards
      ).pipe(withNode({}))
    )

    const install = "Install Node >=20.19 there, so that 'ssh bee@workstation.lan node --version' answers"
    const other_path = "rbee setup update-node --name workstation --install-path"
    const build = "Let the node build it: rbee setup install --node workstation --from git"

    it_refuses(
      "a Node that is too old",
      { facts: { node_version: "18.20.1" } },
      "git",
      "its Node is 18.20.1, rbee needs >=20.19",
      `${install}.`,
      { packager: { runsOn: (version) => !version.startsWith("18.") } }
    )
    it_refuses(
      "a folder with something else in it",
      { facts: { found: "other" } },
      "local",
      "/home/bee/rbee holds something that rbee did not put there",
      `Move it away, or name another folder: ${other_path} …`
    )
    it_refuses(
      "a folder that cannot be written to",
      { facts: { writable: false, path: "/opt/rbee" } },
      "git",
      "bee may not write to the folder of /opt/rbee",
      `Name another: ${other_path} '~/rbee'`
    )
    it_refuses(
      "a disk that is too full for the package, with the figures",
      { facts: { free_bytes: 50 * 1024 ** 2 } },
      "local",
      "the disk of /home/bee/rbee has 50 MB free, 62 MB are needed",
      "Make room there, or name an install path on another disk: rbee setup update-node --install-path …"
    )
    it_refuses(
      "a disk that is too full for a build",
      { facts: { free_bytes: 1024 ** 3 } },
      "git",
      "the disk of /home/bee/rbee has 1024 MB free, 1431 MB are needed",
      "Make room there, or name an install path on another disk: rbee setup update-node --install-path …"
    )
    for (const [facts, words] of [
      [{ platform: "darwin", libc: "-" }, "the node is darwin, this machine linux"],
      [{ arch: "arm64" }, "the node's processor is arm64, this machine's x64"],
      [{ libc: "musl" }, "the node's C library is musl, this machine's glibc"],
      [{ modules: "127", node_version: "22.1.0" }, "the node's Node 22.1.0 has the binary interface 127, ours 115"]
    ] as const) {
      it_refuses(
        `what is built here does not run there: ${words}`,
        { facts },
        "local",
        `this package does not run there: ${words}`,
        build
      )
    }

    it.effect("that does not matter to what the node builds itself", () =>
      Effect.map(installNode(node(), "git"), ({ changed }) => assert.isTrue(changed)).pipe(
        withNode({ facts: { arch: "arm64" }, installer: thorough() })
      )
    )

    it.effect("no Node at all, with the next step", () =>
      failsWith(
        installNode(node(), "local"),
        new InstallFailed({
          node: workstation,
          step: "preflight",
          reason: "there is no Node on the PATH of non-interactive shells",
          log_lines: ["sh: 1: node: not found"],
          suggestion: `${install}: a version manager's Node needs a link, such as /usr/local/bin/node.`
        })
      ).pipe(withNode({ look: { exit_code: 127, stdout: "", stderr: "sh: 1: node: not found\n" } }))
    )

    it.effect("a look that cannot be read", () =>
      failsWith(
        installNode(node(), "local"),
        new InstallFailed({
          node: workstation,
          step: "preflight",
          reason: "a look at the node failed with exit code 1",
          log_lines: ["SyntaxError: Unexpected token"],
          suggestion: null
        })
      ).pipe(withNode({ look: { exit_code: 1, stdout: "?", stderr: "SyntaxError: Unexpected token\n" } }))
    )
  })

  it.effect("a full disk does not matter where the same package is there already", () =>
    Effect.map(installNode(node(), "local"), ({ changed }) => assert.isFalse(changed)).pipe(
      withNode({
        facts: {
          found: "rbee",
          free_bytes: 0,
          marker: { from: "local", identity: sha256, version: "0.1.0", at_unix: 1 }
        },
        installer: (_, { tell }) => Effect.as(tell({ type: "done", version: "0.1.0", changed: false }), 0)
      })
    )
  )

  it.effect("the installer's own failure comes through as it is", () => {
    const error = new InstallFailed({
      node: workstation,
      step: "npm ci",
      reason: "exit code 1",
      log_lines: ["no compiler"],
      suggestion: "Install one"
    })
    return failsWith(installNode(node(), "git"), error).pipe(
      withNode({ installer: (_, { tell }) => Effect.as(tell({ type: "failed", error }), 1) })
    )
  })

  it.effect("an installer that ends without an answer is a failure with its last words", () =>
    failsWith(
      installNode(node(), "git"),
      new InstallFailed({
        node: workstation,
        step: "the installer",
        reason: "it ended with exit code 134 and no answer",
        log_lines: [],
        suggestion: null
      })
    ).pipe(withNode({ installer: () => Effect.succeed(134) }))
  )

  it.effect("a package that does not arrive ends the installer, and the packed file goes", () =>
    Effect.gen(function* () {
      let stopped = false
      const installer: TestInstaller = (_, { tell }) =>
        tell({ type: "awaits", what: "package", path: "/w/package" }).pipe(
          Effect.zipRight(Effect.never),
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              stopped = true
            })
          )
        )
      yield* Effect.flatMap(SshTest, ({ change }) =>
        change("workstation.lan", { ...installable({ installer }), refuses_upload: "the link was lost" })
      )
      const error = yield* Effect.flip(installNode(node(), "local"))
      assert.deepInclude(error, { _tag: "SshTransferFailed", path: "/w/package", reason: "the link was lost" })
      assert.isTrue(stopped)
      assert.deepStrictEqual((yield* packages).at(-1), { _tag: "removed" })
    }).pipe(withNode({}))
  )

  it.effect("interruption ends the installer, closes the session, and the packed file goes", () =>
    Effect.gen(function* () {
      const installing = yield* Effect.fork(installNode(node(), "local"))
      yield* Effect.yieldNow().pipe(Effect.repeat({ until: () => Effect.map(lines, (all) => all.includes("waiting")) }))
      yield* Fiber.interrupt(installing)
      assert.deepStrictEqual((yield* packages).at(-1), { _tag: "removed" })
      const events = yield* Effect.flatMap(SshTest, ({ journal }) => journal)
      assert.strictEqual(events.at(-1)?._tag, "closed")
    }).pipe(
      withNode({
        installer: (_, { tell }) =>
          Effect.zipRight(tell(Narration.make({ actor: "rbee-hive", emoji: "⏳", human: "waiting" })), Effect.never)
      })
    )
  )

  for (const [step, packager, reason] of [
    ["packing", { pack_fault: "dist/bin is missing here: npm run build" }, "dist/bin is missing here: npm run build"],
    ["reading the installer", { scripts_fault: "npm run build" }, "npm run build"]
  ] as const) {
    it.effect(`a package that is not whole here is told: ${step}`, () =>
      failsWith(
        installNode(node(), "local"),
        new InstallFailed({ node: workstation, step, reason, log_lines: [], suggestion: null })
      ).pipe(withNode({}, { packager }))
    )
  }

  it.effect("a node that cannot be reached says why", () =>
    Effect.map(Effect.flip(installNode(node(), "local")), ({ _tag }) =>
      assert.strictEqual(_tag, "SshConnectionRefused")
    ).pipe(inWorld({ hosts: { "workstation.lan": { fault: "refused" } } }))
  )
})
