/**
 * Reads the files that are named, in a process with little memory; tells of each how it ended and what it took: the
 * processor's time, for what passes on a clock is also other processes' time.
 */
import { NotGguf } from "../../src/layers/gguf/cursor.js"
import { readGguf } from "../../src/layers/gguf/readGguf.js"

const outcomeOf = (path: string): string => {
  try {
    return `read: ${readGguf(path).architecture}`
  } catch (error) {
    return error instanceof NotGguf ? error.message : `a bug: ${error}`
  }
}

// What is loaded and compiled first is no file's.
outcomeOf("/dev/null")
const before = process.memoryUsage.rss()
const outcomes = process.argv.slice(2).map((path) => {
  const begin = process.cpuUsage()
  const outcome = outcomeOf(path)
  const { user, system } = process.cpuUsage(begin)
  return { outcome, ms: (user + system) / 1_000, grown: process.memoryUsage.rss() - before }
})
process.stdout.write(JSON.stringify(outcomes))
