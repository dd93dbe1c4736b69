/** The progress bar of a terminal. The only importer of cli-progress, which is loaded when a bar is first shown. */
import type { SingleBar } from "cli-progress"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DownloadProgress, Progress } from "../../domain/Narration.js"
import { megabytes } from "../../domain/Units.js"

/** Something that shows progress and gets out of the way of a line of text. */
export interface ProgressBar {
  readonly show: (progress: Progress) => Effect.Effect<void>
  readonly clear: Effect.Effect<void>
}

/** `  1m 20s left`, once there is a speed to tell it by. */
const timeLeft = ({ bytes_downloaded, bytes_total, speed_mbps }: DownloadProgress): string => {
  const left_s = Math.ceil((bytes_total - bytes_downloaded) / 1e6 / speed_mbps)
  return left_s > 0 && Number.isFinite(left_s) ? `  ${Duration.format(Duration.seconds(left_s))} left` : ""
}

/** The figures of a progress report, in the words of its bar. */
const figures = (progress: Progress) => {
  switch (progress.stage) {
    case "downloading":
      return {
        done: progress.bytes_downloaded,
        total: progress.bytes_total,
        what: "⬇️  Downloading",
        text: `${megabytes(progress.bytes_downloaded)}/${megabytes(progress.bytes_total)} MB  ${progress.speed_mbps.toFixed(1)} MB/s${timeLeft(progress)}`
      }
    case "uploading":
      return {
        done: progress.bytes_uploaded,
        total: progress.bytes_total,
        what: "📤 Uploading",
        text: `${megabytes(progress.bytes_uploaded)}/${megabytes(progress.bytes_total)} MB`
      }
    default:
      return {
        done: progress.layers_loaded,
        total: progress.layers_total,
        what: "🧠 Loading",
        text: `${progress.layers_loaded}/${progress.layers_total} layers`
      }
  }
}

const open = async (what: string): Promise<SingleBar> => {
  const { default: cliProgress } = await import("cli-progress")
  return new cliProgress.SingleBar(
    { format: `${what} [{bar}] {percentage}%  {text}`, stream: process.stderr, clearOnComplete: true, barsize: 24 },
    cliProgress.Presets.shades_classic
  )
}

/** One bar at a time; it goes with the scope. */
export const progressBar: Effect.Effect<ProgressBar, never, Scope.Scope> = Effect.gen(function* () {
  let bar: SingleBar | undefined
  const clear = Effect.sync(() => {
    bar?.stop()
    bar = undefined
  })
  yield* Effect.addFinalizer(() => clear)
  return {
    clear,
    show: Effect.fnUntraced(function* (progress: Progress) {
      const { done, total, what, text } = figures(progress)
      if (bar === undefined) {
        bar = yield* Effect.promise(() => open(what))
        bar.start(total, done, { text })
      }
      bar.update(done, { text })
      if (done >= total) yield* clear
    })
  }
})
