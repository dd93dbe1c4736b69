/** Files for our eyes only. */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/**
 * Writes a file that is 0600 from its first moment and appears whole: a temporary name, fsync, rename. Folders are 0700. Where it
 * fails nothing is left.
 */
export const writePrivate = async (path: string, text: string): Promise<void> => {
  await Fs.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomUUID()}.tmp`
  const file = await Fs.open(temporary, "w", 0o600)
  try {
    await file
      .writeFile(text)
      .then(() => file.sync())
      .finally(() => file.close())
    await Fs.rename(temporary, path)
  } catch (error) {
    await Fs.rm(temporary, { force: true })
    throw error
  }
}
