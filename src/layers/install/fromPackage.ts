/** An installation from the package that its queen sends. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { InstallFailed } from "../../domain/errors/Hive.js"
import type { PackageSource } from "../../domain/Install.js"
import { readArchive, sha256Of } from "./archive.js"
import { awaitFile, failure, files, finish, type Site, type Staged, say } from "./site.js"

/** Writes all that is below a folder through to the disk: what is renamed afterwards must not turn out empty. */
const writeThrough = async (folder: string): Promise<void> => {
  const entries = await Fs.readdir(folder, { recursive: true, withFileTypes: true })
  for (const entry of entries) {
    if (!entry.isFile()) continue
    const file = await Fs.open(Path.join(entry.parentPath, entry.name), "r")
    await file.sync().finally(() => file.close())
  }
}

/** Waits for the package, checks that it came unharmed, unpacks it and tries it out. */
export const fromPackage = (site: Site, source: PackageSource): Effect.Effect<Staged, InstallFailed> =>
  Effect.gen(function* () {
    const archive = yield* awaitFile(site, "package", Duration.minutes(2))
    const sha256 = yield* files(site, "checking the package", () => sha256Of(archive))
    if (sha256 !== source.sha256) {
      return yield* failure(
        site,
        "checking the package",
        `it did not come unharmed: sha256 ${sha256} instead of ${source.sha256}`,
        { suggestion: "Nothing was changed on the node. Run the same command again." }
      )
    }
    yield* say(site, "📦", "Unpacking")
    const fresh = Path.join(site.folder, "new")
    yield* files(site, "unpacking", async () => {
      await Fs.mkdir(fresh, { mode: 0o755 })
      await readArchive(archive, fresh)
      await Fs.rm(archive)
      await writeThrough(fresh)
    })
    return yield* finish(site, fresh, "local", sha256)
  })
