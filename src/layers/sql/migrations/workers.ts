/** The versions of `workers.db` (data.md). */
import { SqlClient } from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { Migrations } from "../SqliteLive.js"

/** Each runs once, in order, and is never changed after a release. */
export const workersMigrations: Migrations = {
  "0001_worker_binaries": Effect.flatMap(SqlClient, (sql) =>
    Effect.zipRight(
      sql`
        CREATE TABLE worker_binaries (
          id TEXT NOT NULL PRIMARY KEY,
          worker_type TEXT NOT NULL,
          version TEXT NOT NULL,
          binary_path TEXT NOT NULL,
          features TEXT NOT NULL,
          built_at_unix INTEGER NOT NULL
        )`,
      sql`CREATE UNIQUE INDEX worker_binaries_of_type ON worker_binaries (worker_type, features)`
    )
  )
}
