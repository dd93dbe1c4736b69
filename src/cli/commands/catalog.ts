import * as Args from "@effect/cli/Args"
import * as Command from "@effect/cli/Command"
import * as Options from "@effect/cli/Options"
import { lazily } from "../lazily.js"

const json = Options.boolean("json").pipe(Options.withDescription("one JSON document on stdout"))

const backup = Command.make(
  "backup",
  { json },
  lazily(() => import("../run/catalogBackup.js"))
).pipe(
  Command.withDescription("Copy this machine's databases into backups/, while they are in use, and verify the copies")
)

const file = Args.text({ name: "FILE" }).pipe(
  Args.withDescription("what catalog backup wrote, or catalog restore kept")
)
const restore = Command.make(
  "restore",
  { file, json },
  lazily(() => import("../run/catalogRestore.js"))
).pipe(Command.withDescription("Put a copy of FILE in its database's place; the one that is there is kept"))

const check = Command.make(
  "check",
  { json },
  lazily(() => import("../run/catalogCheck.js"))
).pipe(Command.withDescription("Tell whether the databases are whole, and the models on the disk; changes nothing"))

/** `rbee catalog …` */
export const catalog = Command.make("catalog").pipe(
  Command.withDescription("What this machine keeps on record: its models, and the pool's nodes"),
  Command.withSubcommands([backup, restore, check])
)
