/** Locks between processes of this machine: a file that names its holder by pid, start time and boot. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { ProcessIdentity } from "../domain/Process.js"
import { codeOf } from "../domain/Thrown.js"
import { type FileProblem, fileProblem } from "./fileProblem.js"
import { identityOf } from "./processIdentity.js"

/** Nobody tells when another process ends, so it is looked at so often. */
const lookEvery = "100 millis"

const decode = Schema.decodeOption(Schema.parseJson(ProcessIdentity))

/** A holder's name is written this soon after its lock was made, unless it was killed in between. */
const nameless_ms_max = 2000

const read = (path: string): string | null => {
  try {
    return Fs.readFileSync(path, "utf8")
  } catch {
    return null // given back meanwhile
  }
}

const isHeld = (path: string, text: string, now_ms: number): boolean =>
  Option.match(decode(text), {
    onSome: (holder) => Option.exists(identityOf(holder.pid), (alive) => Equal.equals(alive, holder)),
    onNone: () => now_ms - (Fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < nameless_ms_max
  })

/** Puts the lock there; whether it was free. In one go: a process that is killed leaves nothing but the lock itself. */
const place = (path: string): boolean => {
  const identity = Option.getOrThrow(identityOf(process.pid)) // we are alive
  Fs.mkdirSync(Path.dirname(path), { recursive: true, mode: 0o700 })
  try {
    Fs.writeFileSync(path, JSON.stringify(identity), { flag: "wx", mode: 0o600 })
    return true
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false
    throw error
  }
}

/** Where the lock of a holder that is gone is moved to before it is removed. */
const asideOf = (path: string): string => `${path}.stale`

/** Takes away the lock of a holder that is gone. Should another have been quicker, that one's lock is put back. */
const clear = (path: string, seen: string): void => {
  const aside = asideOf(path)
  try {
    Fs.renameSync(path, aside)
    if (read(aside) !== seen) Fs.linkSync(aside, path)
  } catch {
    // gone already, or taken again meanwhile
  } finally {
    Fs.rmSync(aside, { force: true })
  }
}

const release = (path: string): void => {
  Fs.rmSync(path, { force: true })
  Fs.rmSync(asideOf(path), { force: true }) // of one that was killed while it took the lock over
}

/** Tries once: whether the lock is ours now. Fails with what the file system says. */
const attempt = (path: string, now_ms: number): boolean => {
  if (place(path)) return true
  const seen = read(path)
  if (seen === null || isHeld(path, seen, now_ms)) return false
  clear(path, seen)
  return place(path)
}

/** Tries once to hold the lock for the length of the scope; whether it is ours. A holder that is gone is none. */
export const tryFileLock = (path: string): Effect.Effect<boolean, FileProblem, Scope.Scope> => {
  const tryNow = Effect.flatMap(Clock.currentTimeMillis, (now_ms) =>
    Effect.try({ try: () => attempt(path, now_ms), catch: fileProblem })
  )
  return Effect.acquireRelease(tryNow, (ours) => (ours ? Effect.sync(() => release(path)) : Effect.void))
}

/** Waits until nobody seems to hold the lock. Tries would pile up in the scope: a download may take hours. */
const untilFree = (path: string): Effect.Effect<unknown, FileProblem> => {
  const look = Effect.flatMap(Clock.currentTimeMillis, (now_ms) =>
    Effect.try({
      try: () => {
        const seen = read(path)
        return seen === null || !isHeld(path, seen, now_ms)
      },
      catch: fileProblem
    })
  )
  return Effect.repeat(Effect.delay(look, lookEvery), { until: (isFree) => isFree })
}

/** Whose lock it is, while it is held. */
export const holderOf = (path: string): Option.Option<ProcessIdentity> => decode(read(path) ?? "")

/**
 * Holds the lock for the length of the scope. While another process has it, `onHeld` is run once, and the lock is taken over within
 * half a second of that process's end, however it ended. Within one process it holds as well.
 */
export const withFileLock = <R>(
  path: string,
  onHeld: Effect.Effect<void, never, R>
): Effect.Effect<void, FileProblem, R | Scope.Scope> =>
  Effect.gen(function* () {
    if (yield* tryFileLock(path)) return
    yield* onHeld
    while (!(yield* tryFileLock(path))) yield* untilFree(path)
  })
