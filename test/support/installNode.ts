/** Machines in memory with an installer on them. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { InstallerEvent, InstallRequest, NodeFacts } from "../../src/domain/Install.js"
import type { CommandResult } from "../../src/services/Ssh.js"
import { testScripts } from "../../src/testing/PackagerTest.js"
import type { TestHost } from "../../src/testing/SshTest.js"

const ended = (exit_code: number, stdout = "", stderr = ""): CommandResult => ({ exit_code, stdout, stderr })

/** A node that rbee can be installed on. */
export const usualFacts: NodeFacts = {
  platform: "linux",
  arch: "x64",
  libc: "glibc",
  modules: "115",
  node_version: "20.19.0",
  path: "/home/bee/rbee",
  found: "nothing",
  marker: null,
  writable: true,
  free_bytes: 100e9,
  nvidia: false
}

/** What the installer of a node does with a request: it tells, and waits for what it asked for. */
export type TestInstaller = (
  request: InstallRequest,
  io: {
    readonly tell: (event: InstallerEvent) => Effect.Effect<void>
    /** Waits until a command has made that file. */
    readonly made: (path: string) => Effect.Effect<void>
  }
) => Effect.Effect<number>

/** What makes a node that way. */
export interface TestNode {
  readonly facts?: Partial<NodeFacts>
  readonly installer?: TestInstaller
  /** What a look at it comes to instead. */
  readonly look?: CommandResult
}

const encodeFacts = Schema.encodeSync(Schema.parseJson(NodeFacts))
const encodeEvent = Schema.encodeSync(Schema.parseJson(InstallerEvent))
const decodeRequest = Schema.decodeSync(Schema.parseJson(InstallRequest))

/** The host. */
export const installable = ({ facts = {}, installer = () => Effect.succeed(1), look }: TestNode = {}): TestHost => {
  const files = new Map<string, Deferred.Deferred<void>>()
  const file = (path: string) =>
    Effect.gen(function* () {
      const known = files.get(path) ?? (yield* Deferred.make<void>())
      files.set(path, known)
      return known
    })
  return {
    run: ([program, ...args], stdin, print) => {
      if (program !== "node") return ended(127)
      if (args[0] === "-") {
        if (stdin !== testScripts.look) return ended(1, "", "not the look")
        return look ?? ended(0, encodeFacts({ ...usualFacts, ...facts }))
      }
      const [, , argument = ""] = args
      if (stdin === null)
        return Effect.as(
          Effect.flatMap(file(argument), (made) => Deferred.succeed(made, undefined)),
          ended(0)
        )
      if (argument !== `${testScripts.installer.length}`) return ended(1, "", "not the installer")
      const request = decodeRequest(stdin.slice(testScripts.installer.length))
      const tell = (event: InstallerEvent) => print(encodeEvent(event))
      const made = (path: string) => Effect.flatMap(file(path), Deferred.await)
      return Effect.map(installer(request, { tell, made }), (code) => ended(code))
    }
  }
}
