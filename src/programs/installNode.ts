import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { InstallFailed } from "../domain/errors/Hive.js"
import type { InstallError } from "../domain/errors/Phases.js"
import type { SshCommandFailed, SshTransferFailed } from "../domain/errors/Ssh.js"
import type { Awaits, InstallRequest, NodeFacts } from "../domain/Install.js"
import { UploadProgress } from "../domain/Narration.js"
import type { Installed, InstallSource, NodeRecord } from "../domain/Node.js"
import { megabytesFree, megabytesNeeded } from "../domain/Units.js"
import { Hives } from "../services/Hives.js"
import { type Narrator, report, voiceOf } from "../services/Narrator.js"
import { Packager, type PackedPackage } from "../services/Packager.js"
import { Ssh, type SshSession } from "../services/Ssh.js"
import { failed, lookAt, runInstaller } from "./runInstaller.js"

const say = voiceOf("queen-rbee")

/**
 * Puts rbee on a node: this very package, sent there, or what the node fetches from its git repository and builds. First it is
 * looked at, and refused with figures where it cannot work. Then everything is made beside the install path and moved there
 * last, so that what stands there is whole at any time; doing it again changes nothing.
 */
export const installNode: (
  node: NodeRecord,
  from: InstallSource
) => Effect.Effect<Installed, InstallError, Ssh | Packager | Hives | Narrator> = Effect.fn("rbee.installNode")(
  function* (node, from) {
    yield* say("🔍", `Looking at ${node.node_name}`)
    const session = yield* Effect.flatMap(Ssh, (ssh) => ssh.session(node, "refuse-unknown"))
    const facts = yield* lookAt(node, session)
    yield* refuseForeign(node, facts)
    const done = yield* from === "local" ? sendPackage(node, session, facts) : buildThere(node, session, facts)
    const version = done.version ?? ""
    yield* done.changed
      ? say("✅", `rbee ${version} is installed on ${node.node_name} in ${facts.path}`)
      : say("✅", `rbee ${version} was on ${node.node_name} already: nothing to do`)
    return { node: node.node_name, from, install_path: node.install_path, version, changed: done.changed }
  },
  Effect.scoped
)

const refuseForeign = (node: NodeRecord, { found, path, writable }: NodeFacts) =>
  found === "other"
    ? Effect.fail(
        failed(node, "preflight", `${path} holds something that rbee did not put there`, {
          suggestion: `Move it away, or name another folder: rbee setup update-node --name ${node.node_name} --install-path …`
        })
      )
    : writable
      ? Effect.void
      : Effect.fail(
          failed(node, "preflight", `${node.ssh_user} may not write to the folder of ${path}`, {
            suggestion: `Name another: rbee setup update-node --name ${node.node_name} --install-path '~/rbee'`
          })
        )

const refuseIfFull = (node: NodeRecord, { free_bytes, path }: NodeFacts, needed_bytes: number) =>
  free_bytes === null || free_bytes >= needed_bytes
    ? Effect.void
    : Effect.fail(
        failed(
          node,
          "preflight",
          `the disk of ${path} has ${megabytesFree(free_bytes)} MB free, ${megabytesNeeded(needed_bytes)} MB are needed`,
          {
            suggestion:
              "Make room there, or name an install path on another disk: rbee setup update-node --install-path …"
          }
        )
      )

/** What is compiled here runs there only if all of this is the same. */
const refuseIfForeignMachine = (node: NodeRecord, theirs: NodeFacts): Effect.Effect<void, InstallFailed, Packager> =>
  Effect.flatMap(Packager, ({ machine: ours }) => {
    const other = (
      [
        ["platform", `the node is ${theirs.platform}, this machine ${ours.platform}`],
        ["arch", `the node's processor is ${theirs.arch}, this machine's ${ours.arch}`],
        ["libc", `the node's C library is ${theirs.libc}, this machine's ${ours.libc}`],
        [
          "modules",
          `the node's Node ${theirs.node_version} has the binary interface ${theirs.modules}, ours ${ours.modules}`
        ]
      ] as const
    ).find(([what]) => theirs[what] !== ours[what])
    if (other === undefined) return Effect.void
    const suggestion = `Let the node build it: rbee setup install --node ${node.node_name} --from git`
    return Effect.fail(failed(node, "preflight", `this package does not run there: ${other[1]}`, { suggestion }))
  })

/** Room for what is made beside the old one, and some more for what file systems need themselves. */
const roomFor = ({ size_bytes, unpacked_bytes }: PackedPackage) => size_bytes + Math.ceil(unpacked_bytes * 1.1)

const sendPackage = Effect.fnUntraced(function* (node: NodeRecord, session: SshSession, facts: NodeFacts) {
  yield* refuseIfForeignMachine(node, facts)
  yield* say("📦", "Packing rbee and what it needs to run")
  const packed = yield* Effect.flatMap(Packager, ({ pack }) => pack({ cuda: facts.nvidia })).pipe(
    Effect.mapError(({ reason }) => failed(node, "packing", reason))
  )
  const { sha256, version } = packed
  if (facts.marker?.identity !== sha256) yield* refuseIfFull(node, facts, roomFor(packed))
  return yield* installThere(node, session, { from: "local", sha256, version }, upload(session, packed))
})

/** A clone with all that builds it: measured 1.1 GB. */
const build_bytes = 1.5e9

const buildThere = Effect.fnUntraced(function* (node: NodeRecord, session: SshSession, facts: NodeFacts) {
  const { git_repo_url: url, git_branch: branch } = node
  if (url === null) {
    return yield* failed(node, "preflight", "the node names no git repository", {
      suggestion: `Name one: rbee setup update-node --name ${node.node_name} --git-repo URL`
    })
  }
  yield* refuseIfFull(node, facts, build_bytes)
  const source = { from: "git" as const, url, branch }
  return yield* installThere(node, session, source, () => Effect.void) // it asks for no package
})

const installThere = (
  node: NodeRecord,
  session: SshSession,
  source: Extract<InstallRequest, { readonly action: "install" }>["source"],
  send: (path: string) => Effect.Effect<void, SshTransferFailed, Narrator>
) => {
  const request = { action: "install" as const, node: node.node_name, path: node.install_path, source }
  const give = ({ what, path }: Awaits): Effect.Effect<void, SshTransferFailed | SshCommandFailed, Hives | Narrator> =>
    what === "package" ? send(path) : giveUpHive(node, session, path)
  return runInstaller(node, session, request, give)
}

/** Tells of at most a hundred steps. */
const upload = (session: SshSession, { path: file, size_bytes }: PackedPackage) =>
  Effect.fnUntraced(function* (path: string) {
    yield* say("📤", `Uploading ${(size_bytes / 1e6).toFixed(1)} MB`)
    const narrator = yield* Effect.context<Narrator>()
    const percent = yield* Ref.make(-1)
    yield* session.upload(file, path, ({ bytes, bytes_total }) =>
      Effect.gen(function* () {
        const now = Math.floor((100 * bytes) / Math.max(bytes_total, 1))
        if ((yield* Ref.getAndSet(percent, now)) === now) return
        yield* report(UploadProgress.make({ stage: "uploading", bytes_uploaded: bytes, bytes_total }))
      }).pipe(Effect.provide(narrator))
    )
  })

const createFile = 'require("fs").writeFileSync(process.argv[1],"")'

/** The hive of the old installation is given up, so that its requests are answered; then the installer may go on. */
const giveUpHive = Effect.fnUntraced(function* (
  node: NodeRecord,
  session: SshSession,
  path: Awaits["path"]
): Effect.fn.Return<void, SshCommandFailed, Hives | Narrator> {
  yield* Effect.flatMap(Hives, (hives) => hives.release(node.node_name))
  yield* session.exec(["node", "-e", createFile, path])
})
