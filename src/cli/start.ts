/** The first thing that runs: what can be answered from a page of text is, before anything else is loaded. */
import { version } from "../domain/Version.js"
import { pageFor, renderPage } from "./help.js"

/** What these arguments ask for, if it is the version or one of our help pages. */
const pageOrVersion = (args: ReadonlyArray<string>): string | undefined => {
  if (args.at(-1) === "--version" && args.length <= 3) return `${version}\n`
  const page = pageFor(args)
  return page === undefined ? undefined : renderPage(page)
}

/** Starts the command line. `prefix` stands for the name that we were called by: `rbee-hive` is `rbee hive`. */
export const start = (prefix: ReadonlyArray<string> = []): void => {
  const [node = "", script = "", ...given] = process.argv
  const args = [...prefix, ...given]
  const text = pageOrVersion(args)
  if (text !== undefined) process.stdout.write(text)
  else void import("./main.js").then(({ main }) => main(node, script, args))
}
