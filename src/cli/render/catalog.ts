/** Databases, their copies and the models on record, as the terminal shows them. */
import { megabytes } from "../../domain/Units.js"
import type { DatabasesReport, LostModel } from "../../programs/checkDatabases.js"
import {
  type DatabaseCopy,
  type DatabaseName,
  type DatabaseState,
  databases,
  type RestoredDatabase
} from "../../services/Databases.js"

/** `1 row` */
const rowsOf = (rows: number): string => `${rows} ${rows === 1 ? "row" : "rows"}`

/** Databases are small: most of them are told in kilobytes (10^3). */
const sizeOf = (bytes: number): string => (bytes < 1e6 ? `${(bytes / 1000).toFixed(1)} kB` : `${megabytes(bytes)} MB`)

const indented = (lines: ReadonlyArray<string>): string => lines.map((line) => `  ${line}\n`).join("")

/** A backup that was made. */
export const copyText = ({ database, path, rows, size_bytes }: DatabaseCopy): string =>
  `${database}  backed up and verified: ${rowsOf(rows)}, ${sizeOf(size_bytes)}\n${indented([path])}`

/** A database that was restored. */
export const restoredText = (from: string, { database, rows, before }: RestoredDatabase): string =>
  `${database}  restored and verified: ${rowsOf(rows)}\n` +
  indented([`from         ${from}`, ...(before === null ? [] : [`before that  ${before}`])])

/** What `catalog check` prints: a paragraph a database, with what is wrong and what to do. */
export const reportText = ({ sound, databases: states, lost_models }: DatabasesReport): string =>
  [
    ...states.map((state) => stateText(state)),
    ...lost_models.map(lostText),
    sound ? "Everything is in order.\n" : "Something is wrong.\n"
  ].join("")

const stateText = (state: DatabaseState): string =>
  `${state.database}  ${verdict(state)}\n${indented([...mending(state), ...fallback(state)])}`

const verdict = ({ exists, problem, rows }: DatabaseState): string =>
  !exists ? "not there yet" : problem === null ? `whole, ${rowsOf(rows ?? 0)}` : `cannot be used: ${problem}`

/** What a daemon does that finds none. */
const afresh: Readonly<Record<DatabaseName, string>> = {
  "beehives.db": "begins a fresh one, without nodes",
  "models.db": "finds the models on the disk again",
  "workers.db": "begins a fresh one: workers are built again when they are asked for"
}

/** What to do about a database that is wrong. */
const mending = ({ database, problem, damaged }: DatabaseState): ReadonlyArray<string> => {
  if (problem === null) return []
  if (!damaged) return ["Check that the file and its folder are yours, and what else uses it."]
  return [`Go on without it: the next ${databases[database].daemon} sets it aside and ${afresh[database]}.`]
}

/** How to go back to a backup, where a database is damaged, or took the place of one that was. */
const fallback = ({ database, damaged, set_aside, backup }: DatabaseState): ReadonlyArray<string> => {
  if (!damaged && set_aside.length === 0) return []
  const { daemon } = databases[database]
  return [
    ...set_aside.map((path) => `A damaged one is kept, until you delete it: ${path}`),
    ...(backup === null
      ? ["There is no backup of it. To make one at any time: rbee catalog backup"]
      : ["Go back to the newest backup:", `  rbee ${daemon} stop; rbee catalog restore ${backup}`])
  ]
}

const lostText = ({ reference, local_path, size_bytes, found_bytes }: LostModel): string =>
  `${reference}  ${found_bytes === null ? "is gone" : `has ${found_bytes} bytes, not ${size_bytes}`}\n` +
  indented([local_path, "Its entry goes when it is next asked for; what is on the hub is then fetched again."])
