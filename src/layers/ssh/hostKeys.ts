/**
 * Which host keys are known, and what to think of the one a host shows. known_hosts has hashed names, globs, negations and
 * markers that nothing on npm reads well, so OpenSSH's own ssh-keygen is asked.
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type { HostKeyPolicy } from "../../services/Ssh.js"

/** A key on record for a host. `revoked` ones are refused wherever they show up. */
export interface KnownKey {
  readonly type: string
  readonly key: Buffer
  readonly revoked: boolean
}

/** Why host keys cannot be looked up or recorded: a reason to refuse every key. */
export interface HostKeysProblem {
  readonly reason: string
}

/** A host's name as known_hosts spells it. */
export const recordName = (host: string, port: number): string =>
  port === 22 ? host.toLowerCase() : `[${host.toLowerCase()}]:${port}`

/** A key's fingerprint, as OpenSSH prints it: `SHA256:` and base64 without padding. */
export const fingerprint = (key: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(key).digest("base64").replace(/=+$/, "")}`

/** What is on record for a host in these files. A file that is not there holds nothing; one that cannot be read is a problem. */
export const readKnownKeys = Effect.fn("Ssh.readKnownKeys")(function* (name: string, files: ReadonlyArray<string>) {
  const found = yield* Effect.forEach(files, (file) =>
    Effect.flatMap(isThere(file), (there) => (there ? search(name, file) : Effect.succeed("")))
  )
  return found.flatMap(parse)
})

/** `trusted`: on record. `new`: to be recorded. `refused`: changed, revoked, or unknown where that is not allowed. */
export const judge = (
  known: ReadonlyArray<KnownKey>,
  shown: Buffer,
  policy: HostKeyPolicy
): "trusted" | "new" | "refused" => {
  const same = known.filter(({ key }) => key.equals(shown))
  if (same.some(({ revoked }) => revoked)) return "refused"
  if (same.length > 0) return "trusted"
  // A host known by a key of another type counts as changed: it was asked for that type first, and has it no more.
  const unknown = known.every(({ revoked }) => revoked)
  return unknown && policy === "record-unknown" ? "new" : "refused"
}

/** Appends a key to a known_hosts file that only its owner can read. */
export const recordKey = Effect.fn("Ssh.recordKey")(function* (file: string, name: string, key: Buffer) {
  yield* Effect.tryPromise({
    try: () => appendLine(file, `${name} ${typeOf(key)} ${key.toString("base64")}\n`),
    catch: (error): HostKeysProblem => ({ reason: `the host key could not be recorded in ${file}: ${said(error)}` })
  })
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
        : Effect.fail<HostKeysProblem>({ reason: `${file} could not be read: ${said(error)}` })
    )
  )

const search = (name: string, file: string) =>
  Effect.async<string, HostKeysProblem>((resume) => {
    const child = execFile("ssh-keygen", ["-F", name, "-f", file], { timeout: 5_000 }, (error, stdout, stderr) => {
      if (error === null || error.code === 1) return resume(Effect.succeed(stdout)) // 1 says that nothing was found
      const why =
        codeOf(error) === "ENOENT" ? "ssh-keygen is missing, install openssh-client" : stderr.trim() || error.message
      resume(Effect.fail({ reason: `${file} could not be searched: ${why}` }))
    })
    return Effect.sync(() => child.kill())
  })

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

const codeOf = (error: unknown) => (error instanceof Error && "code" in error ? error.code : undefined)
const said = (error: unknown) => (error instanceof Error ? error.message : String(error))
