/** Rows of rbee's SQLite files, read while rbee may have them open. */
import { createRequire } from "node:module"

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, string | number | null>>

/** What is used of better-sqlite3, which has no types of its own. */
interface Database {
  readonly prepare: (sql: string) => { readonly all: () => ReadonlyArray<Row> }
  readonly close: () => void
}

const Sqlite: new (file: string, options: { readonly readonly: true; readonly fileMustExist: true }) => Database =
  createRequire(import.meta.url)("better-sqlite3")

/** All rows of a table. */
export const rowsOf = (file: string, table: "beehives" | "models"): ReadonlyArray<Row> => {
  const database = new Sqlite(file, { readonly: true, fileMustExist: true })
  try {
    return database.prepare(`SELECT * FROM ${table}`).all()
  } finally {
    database.close()
  }
}
