/** The versions of `beehives.db` (data.md). */
import { SqlClient } from "@effect/sql/SqlClient"
import * as Effect from "effect/Effect"
import type { Migrations } from "../SqliteLive.js"

/** Each runs once, in order, and is never changed after a release. */
export const beehivesMigrations: Migrations = {
  "0001_beehives": Effect.flatMap(
    SqlClient,
    (sql) => sql`
      CREATE TABLE beehives (
        node_name TEXT PRIMARY KEY,
        ssh_host TEXT NOT NULL,
        ssh_port INTEGER NOT NULL DEFAULT 22,
        ssh_user TEXT NOT NULL,
        ssh_key_path TEXT,
        git_repo_url TEXT,
        git_branch TEXT NOT NULL DEFAULT 'main',
        install_path TEXT NOT NULL,
        transport TEXT NOT NULL DEFAULT 'ssh',
        last_connected_unix INTEGER,
        last_error TEXT,
        status TEXT NOT NULL DEFAULT 'unknown',
        backends TEXT NOT NULL,
        devices TEXT NOT NULL
      )`
  )
}
