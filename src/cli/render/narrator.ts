/** Narration and progress on a terminal. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Progress, Report } from "../../domain/Narration.js"
import { Narrator } from "../../services/Narrator.js"
import { progressBar } from "./progressBar.js"
import { isInteractive, toStderr, toStdout } from "./terminal.js"

/** How much is told: everything, nothing but errors, or every event as a JSON line on stdout. */
export type Telling = "human" | "quiet" | "json"

/** `[actor] emoji text` lines on stderr, and one bar at a time where there is a terminal. */
export const narratorTerminal = (telling: Telling): Layer.Layer<Narrator> =>
  Layer.scoped(
    Narrator,
    telling === "quiet"
      ? Effect.succeed({ report: () => Effect.void })
      : telling === "json"
        ? Effect.succeed({ report: (report: Report) => toStdout(`${JSON.stringify(report)}\n`) })
        : human
  )

const human = Effect.gen(function* () {
  const bar = isInteractive() ? yield* progressBar : plainProgress
  return {
    report: (report: Report) =>
      report.type === "progress"
        ? bar.show(report)
        : Effect.zipRight(bar.clear, toStderr(`[${report.actor}] ${report.emoji} ${report.human}\n`))
  }
})

/** Without a terminal only what is finished is worth a line. */
const plainProgress = {
  show: (progress: Progress) => {
    const line = finished(progress)
    return line === undefined ? Effect.void : toStderr(`${line}\n`)
  },
  clear: Effect.void
}

/** What is said once it is finished; a download says so itself. */
const finished = (progress: Progress): string | undefined => {
  switch (progress.stage) {
    case "downloading":
      return undefined
    case "uploading":
      return progress.bytes_uploaded === progress.bytes_total
        ? `[queen-rbee] 📤 Uploaded ${(progress.bytes_total / 1e6).toFixed(1)} MB`
        : undefined
    default:
      return progress.layers_loaded === progress.layers_total
        ? `[rbee-hive] 🧠 Loaded ${progress.layers_loaded}/${progress.layers_total} layers`
        : undefined
  }
}
