/** A packed tree: one compressed tar file. The only importer of tar. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import { pipeline } from "node:stream/promises"
import * as DateTime from "effect/DateTime"
import { create, extract } from "tar"
import type { PackedFile } from "./closure.js"

/**
 * What tar is to know of a file: nothing of its other names on this disk. Those it would make links to each other, under the
 * names that they have here, which are not the ones that we give them.
 */
const statOf = async (path: string): Promise<Fs.Stats> => Object.assign(await Fs.promises.stat(path), { nlink: 1 })

/**
 * Writes the files into an archive. Only their places, contents and modes count, so that the same files make the same archive:
 * owners and times are left out.
 */
export const writeArchive = async (file: string, files: ReadonlyArray<PackedFile>): Promise<void> => {
  // A file may have several places: a package that two others have below them.
  const places = new Map<string, Array<string>>()
  for (const { from, to } of files) places.set(from, [...(places.get(from) ?? []), to])
  const statCache = new Map(await Promise.all(files.map(async ({ from }) => [from, await statOf(from)] as const)))
  await create(
    {
      file,
      // Cheap: the network is seldom slower than the strongest compression.
      gzip: { level: 1 },
      portable: true,
      follow: true,
      mtime: DateTime.toDateUtc(DateTime.unsafeMake(0)),
      statCache,
      onWriteEntry: (entry) => {
        entry.path = places.get(entry.absolute)?.shift() ?? entry.path
      }
    },
    files.map(({ from }) => from)
  )
}

/** Unpacks an archive into a folder, which must be there. Whatever would fall outside of it is an error. */
export const readArchive = (file: string, folder: string): Promise<void> =>
  extract({ file, cwd: folder, strict: true, noMtime: true })

/** A file's sha256, in hexadecimal digits. */
export const sha256Of = async (file: string): Promise<string> => {
  const hash = createHash("sha256")
  await pipeline(Fs.createReadStream(file), hash)
  return hash.digest("hex")
}
