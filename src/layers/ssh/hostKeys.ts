/**
 * Which host keys are known, and what to think of the one a host shows. known_hosts has hashed names, globs, negations and
 * markers that nothing on npm reads well, so OpenSSH's own ssh-keygen is asked.
 */

import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { SshSetupInvalid } from "../../domain/errors/Ssh.js"
import { codeOf, messageOf } from "../../domain/Thrown.js"
import type { HostKeyPolicy } from "../../services/Ssh.js"
import { askTool } from "./tools.js"

/** A key on record for a host. `revoked` ones are refused wherever they show up. */
export interface KnownKey {
  readonly type: string
  readonly key: Buffer
  readonly revoked: boolean
}

/**
 * What is allowed on one stretch of the way. The one key that is accepted may be that of any host on the way; until the
 * last one is reached, those that show a key on record are as good.
 */
export type StretchPolicy = HostKeyPolicy | { readonly accept: string; readonly on_the_way: true }

/** A host's name as known_hosts spells it. */
export const recordName = (host: string, port: number): string =>
  port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`

/** A key's fingerprint, as OpenSSH prints it: `SHA256:` and base64 without padding. */
export const fingerprint = (key: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`

/** What is on record for a host in these files. A file that is not there holds nothing; one that cannot be read is a problem. */
export const readKnownKeys = Effect.fn("Ssh.readKnownKeys")(function* (name: string, files: ReadonlyArray<string>) {
  const found = yield* Effect.forEach([...new Set(files)], (file) =>
    Effect.flatMap(isThere(file), (there) => (there ? search(name, file) : Effect.succeed("")))
  )
  return found.flatMap(parse)
})

/** `trusted`: on record. `new`: to be recorded. `accepted`: to be recorded in the place of others. `refused`: changed, revoked, or unknown where that is not allowed. */
export const judge = (
  known: ReadonlyArray<KnownKey>,
  shown: Buffer,
  policy: StretchPolicy
): "trusted" | "new" | "accepted" | "refused" => {
  const same = known.filter(({ key }) => key.equals(shown))
  if (same.some(({ revoked }) => revoked)) return "refused"
  if (typeof policy === "object") {
    if (fingerprint(shown) === policy.accept) return "accepted"
    return "on_the_way" in policy && same.length > 0 ? "trusted" : "refused"
  }
  if (same.length > 0) return "trusted"
  // A host known by a key of another type counts as changed: it was asked for that type first, and has it no more.
  const unknown = known.every(({ revoked }) => revoked)
  return unknown && policy === "record-unknown" ? "new" : "refused"
}

/** One recorder at a time, or a line that was appended while the file was written anew would be lost. */
const recording = Effect.unsafeMakeSemaphore(1)

/** Adds a key to a known_hosts file that only its owner can read. */
export const recordKey = (file: string, name: string, key: Buffer): Effect.Effect<void, SshSetupInvalid> =>
  writing(file, () => appendLine(file, lineOf(name, key))).pipe(recording.withPermits(1))

/** Puts a key in the place of those that a known_hosts file has for that name. Revocations stay. */
export const replaceKey = (file: string, name: string, key: Buffer): Effect.Effect<void, SshSetupInvalid> =>
  Effect.gen(function* () {
    if (!(yield* isThere(file))) return yield* recordKey(file, name, key)
    const next = `${file}.${randomBytes(6).toString("hex")}`
    const rewrite = Effect.gen(function* () {
      yield* writing(file, async () => {
        await Fs.writeFile(next, await Fs.readFile(file), { mode: 0o600, flag: "wx" })
      })
      // Only ssh-keygen knows hashed names. It leaves the original beside the file that it changes.
      yield* keygen(["-R", name, "-f", next], `${file} could not be changed`)
      yield* writing(file, async () => {
        await appendLine(next, lineOf(name, key))
        await Fs.chmod(next, 0o600)
        await Fs.rename(next, file)
        await syncFolder(Path.dirname(file))
      })
    })
    const tidy = Effect.promise(() => Promise.all([next, `${next}.old`].map((path) => Fs.rm(path, { force: true }))))
    yield* rewrite.pipe(Effect.ensuring(tidy), Effect.uninterruptible, recording.withPermits(1))
  })

const lineOf = (name: string, key: Buffer) => `${name} ${typeOf(key)} ${key.toString("base64")}\n`

const writing = (file: string, write: () => Promise<void>) =>
  Effect.tryPromise({
    try: write,
    catch: (error) =>
      new SshSetupInvalid({ reason: `the host key could not be recorded in ${file}: ${messageOf(error)}` })
  })

const appendLine = async (path: string, line: string) => {
  await Fs.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 })
  const file = await Fs.open(path, "a+", 0o600)
  try {
    const { size } = await file.stat()
    const last = size === 0 ? "\n" : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString()
    await file.write(last === "\n" ? line : `\n${line}`) // one write: two recorders cannot mix their lines
    await file.sync()
  } finally {
    await file.close()
  }
}

/** A renamed file survives a crash once its folder is on the disk too. */
const syncFolder = async (path: string) => {
  const folder = await Fs.open(path, "r")
  await folder.sync().finally(() => folder.close())
}

/** Whether a file can be asked; ssh-keygen would call an unreadable one or a directory "nothing found". */
const isThere = (file: string) =>
  Effect.tryPromise(async () => {
    if ((await Fs.stat(file)).isDirectory()) throw new Error("it is a directory")
    await Fs.access(file, Fs.constants.R_OK)
    return true
  }).pipe(
    Effect.catchAll(({ error }) =>
      codeOf(error) === "ENOENT"
        ? Effect.succeed(false)
        : Effect.fail(new SshSetupInvalid({ reason: `${file} could not be read: ${messageOf(error)}` }))
    )
  )

const search = (name: string, file: string) =>
  Effect.map(keygen(["-F", name, "-f", file], `${file} could not be searched`), ({ stdout }) => stdout)

/** 1 says that nothing was found. */
const keygen = (args: ReadonlyArray<string>, trouble: string) =>
  askTool("ssh-keygen", args).pipe(
    Effect.filterOrElse(
      ({ exit_code }) => exit_code <= 1,
      ({ exit_code, stderr }) => Effect.fail({ reason: stderr.trim() || `ssh-keygen ended with ${exit_code}` })
    ),
    Effect.mapError(({ reason }) => new SshSetupInvalid({ reason: `${trouble}: ${reason}` }))
  )

/** ssh-keygen's lines: `[@marker] names type base64 [comment]`, each under a `#` line. Authorities are not host keys. */
const parse = (printed: string): ReadonlyArray<KnownKey> =>
  printed.split(/\r?\n/).flatMap((line) => {
    const [first = "", ...rest] = line.trim().split(/\s+/)
    if (first.startsWith("#") || first === "@cert-authority") return []
    const [type, key] = first.startsWith("@") ? rest.slice(1) : rest
    if (type === undefined || key === undefined) return []
    return [{ type, key: Buffer.from(key, "base64"), revoked: first === "@revoked" }]
  })

/** A public key begins with its type's length and name. */
const typeOf = (key: Buffer) => key.subarray(4, 4 + key.readUInt32BE(0)).toString()
