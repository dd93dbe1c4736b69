/** What a user has to show a host: an agent's keys, and those in files. */
import * as Effect from "effect/Effect"
import { SshKeyNotFound } from "../../domain/errors/Ssh.js"
import type { AnyKey, KeyFile, Keyring } from "./keyFiles.js"
import type { KeyChoice } from "./route.js"
import { isUsual } from "./sshConfig.js"

/** What may be tried: the agent where there is one, then the keys; and why others cannot. */
export interface Identities<Key> {
  readonly agent: { readonly socket: string; readonly keys: ReadonlyArray<Key> } | null
  readonly keys: ReadonlyArray<{ readonly path: string; readonly key: Key }>
  /** Keys that nobody has told the passphrase of, and that the agent does not hold. */
  readonly locked: ReadonlyArray<string>
  readonly problems: ReadonlyArray<string>
}

/** Where identities come from. */
export interface Sources<Key> {
  readonly keyring: Keyring<Key>
  /** The public halves of what an agent holds. */
  readonly askAgent: (socket: string) => Effect.Effect<ReadonlyArray<Key>, { readonly reason: string }>
  readonly home: string
}

/**
 * The identities for a host. A key that was named must be there and is the only one tried; where it cannot be used by itself
 * the agent may hold it. Without a name they are the agent's and those of the files that are there.
 */
export const identities = Effect.fn("Ssh.identities")(function* <Key extends AnyKey>(
  { named, files, only_files, agent: socket }: KeyChoice,
  { askAgent, home, keyring }: Sources<Key>
) {
  const paths = named === null ? files : [named]
  const found = yield* Effect.forEach(paths, (path) =>
    Effect.map(keyring.read(path), (file) => ({ path, file }) satisfies Found<Key>)
  )
  const missing = found.filter(({ file }) => file._tag === "missing").map(({ path }) => path)
  if (named !== null && missing.length > 0) return yield* new SshKeyNotFound({ path: named })

  const needed = named === null || found.some(({ file }) => file._tag !== "key")
  const asked =
    socket !== null && needed ? yield* Effect.either(Effect.map(askAgent(socket), (keys) => ({ socket, keys }))) : null
  const held = asked?._tag === "Right" ? asked.right.keys : []
  const holds = (half: Buffer | null) => half !== null && held.some((key) => key.getPublicSSH().equals(half))

  const problems = found.flatMap(({ path, file }) => {
    if (file._tag === "useless" && !holds(file.half)) return [`${path} cannot be used: ${file.reason}`]
    return file._tag === "missing" && !isUsual(path, home) ? [`${path} is not there`] : []
  })
  if (asked?._tag === "Left") problems.push(`the agent at ${socket} cannot be asked: ${asked.left.reason}`)
  return {
    agent: asked?._tag === "Right" ? chosen(asked.right, found, named !== null || only_files) : null,
    keys: found.flatMap(({ path, file }) =>
      file._tag === "key" && !holds(file.half) ? [{ path, key: file.key }] : []
    ),
    locked: found.flatMap(({ path, file }) => (file._tag === "locked" && !holds(file.half) ? [path] : [])),
    problems
  } satisfies Identities<Key>
})

interface Found<Key> {
  readonly path: string
  readonly file: KeyFile<Key>
}

/** An agent's keys, those of the files first or alone: a host ends the connection after some that it does not take. */
const chosen = <Key extends AnyKey>(
  agent: NonNullable<Identities<Key>["agent"]>,
  found: ReadonlyArray<Found<Key>>,
  only_files: boolean
): Identities<Key>["agent"] => {
  const halves = found.map(({ file }) => ("half" in file ? file.half : null))
  const fits = (key: Key) => halves.some((half) => half?.equals(key.getPublicSSH()))
  const fitting = agent.keys.filter(fits)
  // Which of them belongs to a locked key of an old format, nobody can say.
  const unsure = found.some(({ file }) => file._tag === "locked" && file.half === null)
  if (only_files && !unsure) return fitting.length === 0 ? null : { ...agent, keys: fitting }
  return { ...agent, keys: [...fitting, ...agent.keys.filter((key) => !fits(key))] }
}
