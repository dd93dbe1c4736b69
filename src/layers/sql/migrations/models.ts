/** The versions of `models.db` (data.md). */
import { SqlClient } from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { Migrations } from "../SqliteLive.js"

/** Each runs once, in order, and is never changed after a release. */
export const modelsMigrations: Migrations = {
  "0001_models": Effect.flatMap(
    SqlClient,
    (sql) => sql`
      CREATE TABLE models (
        id TEXT NOT NULL,
        provider TEXT NOT NULL,
        reference TEXT NOT NULL,
        local_path TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        sha256 TEXT,
        quantization TEXT,
        downloaded_at_unix INTEGER NOT NULL,
        PRIMARY KEY (reference, provider)
      )`
  )
}
