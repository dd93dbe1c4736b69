/** Who tells the user what is going on. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { type Actor, Narration, type Report } from "../domain/Narration.js"

/** Where a phase's narration and progress go: a terminal, a request's event stream, a log, or a test's journal. */
export class Narrator extends Context.Tag("rbee/Narrator")<
  Narrator,
  { readonly report: (report: Report) => Effect.Effect<void> }
>() {}

/** Hands on a report that someone else made. */
export const report = (what: Report): Effect.Effect<void, never, Narrator> =>
  Effect.flatMap(Narrator, (narrator) => narrator.report(what))

/** One part's voice: `say("🔌", "Connecting…")` narrates a line as that actor. */
export const voiceOf =
  (actor: Actor) =>
  (emoji: string, human: string): Effect.Effect<void, never, Narrator> =>
    report(Narration.make({ actor, emoji, human }))
