/** How arguments cross a shell: the only place that writes a command line. */

/**
 * Writes arguments so that the node's shell hands each of them on byte for byte, whatever they hold. Nothing is expanded,
 * `~` included: a command starts in the home directory, so a path below it is written relative to that.
 *
 * Single quotes keep everything but themselves; they and backslashes go outside, escaped, since fish reads `\\` and `\'`
 * even inside single quotes. A NUL cannot be an argument on any system.
 *
 * @throws RangeError where there is no command, or an argument holds a NUL.
 */
export const quote = (command: ReadonlyArray<string>): string => {
  if (command.length === 0) throw new RangeError("there is no command to run")
  if (command.some((argument) => argument.includes("\0"))) throw new RangeError("an argument holds a NUL character")
  return command.map((argument) => `'${argument.replace(/['\\]/g, "'\\$&'")}'`).join(" ")
}
