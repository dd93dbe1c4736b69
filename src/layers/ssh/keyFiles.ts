/** Private keys in files: which can be used, which are locked, and those that were unlocked, in memory alone. */
import * as Fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { SshKeyLocked, SshKeyNotFound, SshSetupInvalid } from "../../domain/errors/Ssh.js"

/** A key as the SSH library knows it, and what we need to know of it. */
export interface AnyKey {
  readonly isPrivateKey: () => boolean
  /** The public half, as it travels. */
  readonly getPublicSSH: () => Buffer
}

/** Reads a key; an error says why it cannot. */
export type ParseKey<Key> = (bytes: Buffer, passphrase?: string) => Key | Error

/** What a file turned out to hold. `half` is a key's public half, where that can be known without the passphrase. */
export type KeyFile<Key> =
  | { readonly _tag: "missing" }
  | { readonly _tag: "useless"; readonly reason: string; readonly half: Buffer | null }
  | { readonly _tag: "locked"; readonly bytes: Buffer; readonly half: Buffer | null }
  | { readonly _tag: "key"; readonly key: Key; readonly half: Buffer | null }

/** The keys of this machine's files. */
export interface Keyring<Key> {
  readonly read: (path: string) => Effect.Effect<KeyFile<Key>>
  /** Keeps a key open from now on, for as long as its file stays as it is. */
  readonly unlock: (
    path: string,
    passphrase: Redacted.Redacted
  ) => Effect.Effect<void, SshKeyLocked | SshKeyNotFound | SshSetupInvalid>
}

/** No private key is larger; a limit all the same. */
const bytes_max = 1024 ** 2

/** An empty keyring. */
export const makeKeyring = <Key extends AnyKey>(parse: ParseKey<Key>): Keyring<Key> => {
  // The open key is kept rather than its passphrase: to open it again would take the processor a good part of a second.
  const opened = new Map<string, { readonly bytes: Buffer; readonly key: Key }>()

  const read = (path: string) =>
    Effect.promise(async (): Promise<KeyFile<Key>> => {
      const file = await readFile(path)
      if (file === "missing") return { _tag: "missing" }
      if (file instanceof Error) return { _tag: "useless", reason: file.message, half: null }
      const { bytes, exposed } = file
      const found = parse(bytes)
      if (found instanceof Error && !isLocked(found)) return { _tag: "useless", reason: found.message, half: null }
      const half = found instanceof Error ? (innerHalf(bytes) ?? (await halfBeside(path, parse))) : found.getPublicSSH()
      const isPublic = !(found instanceof Error) && !found.isPrivateKey()
      if (isPublic) return { _tag: "useless", reason: "it is a public key", half }
      if (exposed !== null) return { _tag: "useless", reason: exposed, half } // as ssh does
      if (!(found instanceof Error)) return { _tag: "key", key: found, half }
      const open = opened.get(path)
      return open?.bytes.equals(bytes) === true ? { _tag: "key", key: open.key, half } : { _tag: "locked", bytes, half }
    })

  const unlock: Keyring<Key>["unlock"] = (path, passphrase) =>
    Effect.gen(function* () {
      const file = yield* read(path)
      if (file._tag === "missing") return yield* new SshKeyNotFound({ path })
      if (file._tag === "useless")
        return yield* new SshSetupInvalid({ reason: `${path} cannot be used: ${file.reason}` })
      if (file._tag === "key") return
      const key = parse(file.bytes, Redacted.value(passphrase))
      if (key instanceof Error) return yield* new SshKeyLocked({ path, wrong_passphrase: true })
      opened.set(path, { bytes: file.bytes, key })
    })
  return { read, unlock }
}

/** The library's words for a key that it cannot read without a passphrase. */
const isLocked = ({ message }: Error) => /^Encrypted .* no passphrase given$/.test(message)

const readFile = (path: string) =>
  Fs.stat(path)
    .then(async (stat) => {
      if (stat.isFile() && stat.size > bytes_max) return new Error("it is too large for a key")
      if (!stat.isFile() && !stat.isDirectory()) return new Error("it is no file") // a pipe would keep us waiting
      const mine = stat.uid === process.getuid?.()
      const mode = (stat.mode & 0o777).toString(8).padStart(4, "0")
      const exposed = mine && (stat.mode & 0o077) !== 0 ? `others may read it (its mode is ${mode})` : null
      return { bytes: await Fs.readFile(path), exposed }
    })
    .catch((error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? ("missing" as const) : error))

/** The public half that stands in the clear in an OpenSSH private key: after a magic and three strings, the first of one key. */
const innerHalf = (bytes: Buffer): Buffer | null => {
  const [, base64] = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]+)-----END/.exec(bytes.toString("latin1")) ?? []
  if (base64 === undefined) return null
  const blob = Buffer.from(base64, "base64")
  try {
    let at = "openssh-key-v1\0".length
    for (let skipped = 0; skipped < 3; skipped++) at += 4 + blob.readUInt32BE(at) // cipher, key derivation, its options
    at += 4 // the number of keys
    const length = blob.readUInt32BE(at)
    return blob.subarray(at + 4, at + 4 + length)
  } catch {
    return null // it ends too early
  }
}

/** The public half that ssh-keygen left beside the key. */
const halfBeside = async <Key extends AnyKey>(path: string, parse: ParseKey<Key>) => {
  const file = await readFile(`${path}.pub`)
  if (file === "missing" || file instanceof Error) return null
  const key = parse(file.bytes)
  return key instanceof Error ? null : key.getPublicSSH()
}
