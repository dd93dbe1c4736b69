/** What the file system said, as an error of its own. */
import * as Data from "effect/Data"
import { codeOf, messageOf } from "../domain/Thrown.js"

/** Its code, such as `ENOSPC`, where there is one, and its words. */
export class FileProblem extends Data.TaggedError("FileProblem")<{
  readonly code: string | undefined
  readonly message: string
}> {}

/** The same of what was thrown. */
export const fileProblem = (thrown: unknown): FileProblem => {
  const code = codeOf(thrown)
  return new FileProblem({ code: code === undefined ? undefined : String(code), message: messageOf(thrown) })
}
