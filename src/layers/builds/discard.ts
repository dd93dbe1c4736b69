/** Checkouts of builds that are of no use any more. */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import { tryFileLock } from "../lockFile.js"

/** Beside the folders of worker types, whose names begin with a letter or a digit. */
const aside = ".discarded-"

const foldersIn = (path: string): ReadonlyArray<string> =>
  Fs.existsSync(path)
    ? Fs.readdirSync(path, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
        .map(({ name }) => name)
    : []

/** Sets aside what none of the files lies in; a checkout that cannot be had or moved stays for the next time. */
export const discard = Effect.fn("Builds.discard")(function* (home: string, used: ReadonlyArray<string>) {
  const builds = Path.join(home, "builds")
  const names = foldersIn(builds).flatMap((type) =>
    foldersIn(Path.join(builds, type)).map((name) => Path.join(type, name))
  )
  const unused = names.filter((name) => !used.some((file) => file.startsWith(Path.join(builds, name) + Path.sep)))
  return yield* Effect.filter(unused, (name) =>
    Effect.gen(function* () {
      if (!(yield* tryFileLock(`${Path.join(builds, name)}.lock`))) return false
      yield* Effect.try(() => Fs.renameSync(Path.join(builds, name), Path.join(builds, `${aside}${randomUUID()}`)))
      return true
    }).pipe(
      Effect.scoped,
      Effect.catchAll((error) => Effect.as(Effect.logWarning(`an old build stays: ${name}`, error), false))
    )
  )
})

/** Removes what was set aside. */
export const sweep = (home: string): Effect.Effect<void> =>
  Effect.suspend(() => {
    const builds = Path.join(home, "builds")
    const names = Fs.existsSync(builds) ? Fs.readdirSync(builds).filter((name) => name.startsWith(aside)) : []
    return Effect.forEach(
      names,
      (name) =>
        Effect.ignoreLogged(
          Effect.tryPromise(() => Fs.promises.rm(Path.join(builds, name), { recursive: true, force: true }))
        ),
      { discard: true }
    )
  })
