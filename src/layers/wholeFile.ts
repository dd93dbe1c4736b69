/** Files that appear whole or not at all. */
import { randomUUID } from "node:crypto"
import * as Fs from "node:fs/promises"
import { codeOf } from "../domain/Thrown.js"

/** How one is written; the mode is its own from its first moment. */
export interface WholeFileOptions {
  readonly mode: number
  /** Whether it may take the place of one that is there. */
  readonly replace: boolean
}

/** Writes it: a temporary name, fsync, rename. Where it fails nothing is left. False where it was not to replace what is there. */
export const writeWhole = async (path: string, text: string, { mode, replace }: WholeFileOptions): Promise<boolean> => {
  const temporary = `${path}.${randomUUID()}.tmp`
  const file = await Fs.open(temporary, "w", mode)
  try {
    await file
      .writeFile(text)
      .then(() => file.sync())
      .finally(() => file.close())
    if (replace) await Fs.rename(temporary, path)
    else await Fs.link(temporary, path) // fails where something is there, which a rename would not
    return true
  } catch (error) {
    if (!replace && codeOf(error) === "EEXIST") return false
    throw error
  } finally {
    await Fs.rm(temporary, { force: true })
  }
}
