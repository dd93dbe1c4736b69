/** How a process is told from every other, also after its pid was given to a stranger (LIFE-4). */
import * as Schema from "effect/Schema"

/** A pid together with what makes it unique: the start time (clock ticks since boot) and the boot it belongs to. */
export class ProcessIdentity extends Schema.Class<ProcessIdentity>("ProcessIdentity")({
  pid: Schema.Int.pipe(Schema.positive()),
  started: Schema.String,
  boot_id: Schema.String
}) {}

/** How a process ended: its exit code, or the signal that killed it. */
export const ProcessExit = Schema.Struct({
  code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String)
})
export type ProcessExit = typeof ProcessExit.Type
