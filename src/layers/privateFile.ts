/** Files for our eyes only. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { writeWhole } from "./wholeFile.js"

/** Writes a file that is 0600 from its first moment and appears whole. Folders are 0700. Where it fails nothing is left. */
export const writePrivate = async (path: string, text: string): Promise<void> => {
  await Fs.mkdir(Path.dirname(path), { recursive: true, mode: 0o700 })
  await writeWhole(path, text, { mode: 0o600, replace: true })
}
