/** The SQLite files of this machine's home folder as wholes: copied, put back, looked over. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { BackupUnusable, CatalogUnavailable, DatabaseInUse, RegistryUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import type { DaemonRole } from "./Daemons.js"

/** The databases, each with the daemon that keeps it open. */
export const databases = {
  "beehives.db": { daemon: "queen" },
  "models.db": { daemon: "hive" },
  "workers.db": { daemon: "hive" }
} as const satisfies Readonly<Record<string, { readonly daemon: DaemonRole }>>

/** A database's name; the file may be called otherwise where the configuration says so. */
export type DatabaseName = keyof typeof databases

/** The names, in the order in which they are told of. */
export const databaseNames: ReadonlyArray<DatabaseName> = ["beehives.db", "models.db", "workers.db"]

/** What a file holds that was opened and found whole. */
export interface DatabaseCopy {
  readonly database: DatabaseName
  readonly path: string
  readonly rows: number
  readonly size_bytes: number
}

/** A database after a restore. */
export interface RestoredDatabase extends DatabaseCopy {
  /** Where the one that was there before is kept. */
  readonly before: string | null
}

/** How a database is. */
export interface DatabaseState {
  readonly database: DatabaseName
  readonly path: string
  /** Whether there is such a file; before the first use of rbee there is none. */
  readonly exists: boolean
  /** Null where they cannot be counted. */
  readonly rows: number | null
  /** Why it cannot be used; null where it is whole. */
  readonly problem: string | null
  /** Whether its content is the reason: then it is set aside when it is next opened for use. */
  readonly damaged: boolean
  /** Damaged ones that were moved aside. */
  readonly set_aside: ReadonlyArray<string>
  /** The newest backup. */
  readonly backup: string | null
}

/** What a database's own service fails with. */
export type DatabaseUnavailable = CatalogUnavailable | RegistryUnavailable

/** Backups and repairs. Nothing here makes a database, but `restore`. */
export class Databases extends Context.Tag("rbee/Databases")<
  Databases,
  {
    /** How that database is; reads only. */
    readonly state: (database: DatabaseName) => Effect.Effect<DatabaseState>
    /** Copies a database that may be in use into `backups/`, and verifies the copy. Where it fails no copy is left. */
    readonly backup: (database: DatabaseName) => Effect.Effect<DatabaseCopy, DatabaseUnavailable>
    /** What a file is a whole copy of. */
    readonly inspect: (path: string) => Effect.Effect<DatabaseCopy, BackupUnusable>
    /** Puts a copy of that file in the database's place, verified; the one that is there is kept aside. */
    readonly restore: (
      path: string
    ) => Effect.Effect<RestoredDatabase, BackupUnusable | DatabaseInUse | DatabaseUnavailable>
    /** The rows of `models.db`, without opening it for use. */
    readonly models: Effect.Effect<ReadonlyArray<ModelEntry>, CatalogUnavailable>
  }
>() {}
