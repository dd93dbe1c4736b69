/** Where this package is on the disk. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"

/** The folder with our package.json, whichever bundle or source file we run from. */
export const packageRoot: string = (() => {
  let folder = Path.dirname(fileURLToPath(import.meta.url))
  while (!Fs.existsSync(Path.join(folder, "package.json"))) folder = Path.dirname(folder)
  return folder
})()
