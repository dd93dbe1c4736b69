/** What a user has to show a node: a key file, the agent, the usual keys of the home directory. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { SshKeyNotFound } from "../../domain/errors/Ssh.js"
import type { Configuration } from "../../services/Settings.js"

/** What may be tried: the agent where there is one, then the keys; and why others cannot. */
export interface Identities<Key> {
  readonly agent: string | null
  readonly keys: ReadonlyArray<{ readonly path: string; readonly key: Key }>
  readonly problems: ReadonlyArray<string>
}

const usualKeys = ["id_ed25519", "id_ecdsa", "id_rsa"]

/**
 * The identities for a node. A key that was named must be there and is the only one tried; where it cannot be used by itself
 * (it is encrypted) the agent may hold it. Without a name they are the agent's and those of `~/.ssh` that exist.
 */
export const identities = Effect.fn("Ssh.identities")(function* <Key>(
  key_path: string | null,
  user: Configuration["user"],
  parse: (bytes: Buffer) => Key | Error
) {
  const named = key_path === null ? null : expand(key_path, user.home)
  const paths = named === null ? usualKeys.map((name) => Path.join(user.home, ".ssh", name)) : [named]
  const files = yield* Effect.forEach(paths, readKey)
  if (named !== null && files[0] === "missing") return yield* new SshKeyNotFound({ path: named })

  const keys: Array<Identities<Key>["keys"][number]> = []
  const problems: Array<string> = []
  files.forEach((file, index) => {
    if (file === "missing") return
    const path = paths[index] ?? ""
    const key = file instanceof Error ? file : parse(file)
    if (key instanceof Error) problems.push(`${path} cannot be used: ${key.message}`)
    else keys.push({ path, key })
  })
  const agent = named === null || keys.length === 0 ? user.ssh_agent : null
  return { agent, keys, problems } satisfies Identities<Key>
})

/** A path as the user's shell would read it. */
const expand = (path: string, home: string) => (path.startsWith("~/") ? Path.join(home, path.slice(2)) : path)

const readKey = (path: string): Effect.Effect<Buffer | Error | "missing"> =>
  Effect.promise(() =>
    Fs.readFile(path).catch((error: NodeJS.ErrnoException) => (error.code === "ENOENT" ? ("missing" as const) : error))
  )
