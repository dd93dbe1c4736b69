/** Rows of rbee's SQLite files, read while rbee may have them open. */
import { createRequire } from "node:module"

/** A row as SQLite gives it. */
export type Row = Readonly<Record<string, string | number | null>>

/** What is used of better-sqlite3, which has no types of its own. */
interface Database {
  readonly prepare: (sql: string) => {
    readonly all: () => ReadonlyArray<Row>
    readonly run: (...values: ReadonlyArray<string | number | null>) => unknown
  }
  readonly close: () => void
}

const Sqlite: new (file: string, options: { readonly readonly: boolean; readonly fileMustExist: true }) => Database =
  createRequire(import.meta.url)("better-sqlite3")

/** All rows of a table. */
export const rowsOf = (file: string, table: "beehives" | "models" | "worker_binaries"): ReadonlyArray<Row> => {
  const database = new Sqlite(file, { readonly: true, fileMustExist: true })
  try {
    return database.prepare(`SELECT * FROM ${table}`).all()
  } finally {
    database.close()
  }
}

/** Puts a value in a column of the one row that a table has, as a machine that moved away would find it. */
export const changeRow = (file: string, table: "beehives", column: "ssh_port", value: number): void => {
  const database = new Sqlite(file, { readonly: false, fileMustExist: true })
  try {
    database.prepare(`UPDATE ${table} SET ${column} = ?`).run(value)
  } finally {
    database.close()
  }
}

/** Adds a row, as if rbee had. */
export const addRow = (file: string, table: "worker_binaries", row: Row): void => {
  const database = new Sqlite(file, { readonly: false, fileMustExist: true })
  try {
    const columns = Object.keys(row)
    const places = columns.map(() => "?").join(", ")
    database.prepare(`INSERT INTO ${table} (${columns.join(", ")}) VALUES (${places})`).run(...Object.values(row))
  } finally {
    database.close()
  }
}
