/** The install path as it is found on a node. Also read by the look at nodes with any Node: no library, no new syntax. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { codeOf } from "../../domain/Thrown.js"

/** The file at the root of an installation that makes it ours. */
export const markerFile = ".rbee-install.json"

/** The program of an installation that everything else there is told through. */
export const hiveProgram = (path: string): string => Path.join(path, "dist", "bin", "rbee-hive.js")

/** The absolute path that a node's path means: behind links, and below the folder that sessions start in for `~/`. */
export const locate = (path: string): string => {
  const absolute = Path.resolve(path.startsWith("~/") ? path.slice(2) : path)
  try {
    return Fs.realpathSync(absolute)
  } catch {
    return absolute // nothing there yet
  }
}

/** The folder itself, or the next one above that exists. */
export const existing = (folder: string): string =>
  Fs.existsSync(folder) || Path.dirname(folder) === folder ? folder : existing(Path.dirname(folder))

/** What stands there. */
export const foundAt = (path: string): "nothing" | "empty" | "rbee" | "other" => {
  try {
    const entries = Fs.readdirSync(path)
    return entries.length === 0 ? "empty" : entries.includes(markerFile) ? "rbee" : "other"
  } catch (error) {
    return codeOf(error) === "ENOENT" ? "nothing" : "other"
  }
}

/** The marker as it is written; null where there is none that can be read. */
export const markerAt = (path: string): unknown => {
  try {
    return JSON.parse(Fs.readFileSync(Path.join(path, markerFile), "utf8"))
  } catch {
    return null
  }
}
