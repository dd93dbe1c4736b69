/** The work of `rbee infer`. */
import * as Chunk from "effect/Chunk"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { InvalidRequest } from "../../domain/errors/Request.js"
import type { EndEvent, InferenceEvent } from "../../domain/Inference.js"
import { DurationText } from "../../domain/Time.js"
import { infer } from "../../programs/infer.js"
import type { InferFlags } from "../commands/infer.js"
import { runKeeper } from "../keeper.js"
import { toStderr, toStdout } from "../render/terminal.js"
import { readTask } from "./task.js"

/** Answers the prompt. */
export const run = (flags: InferFlags) => {
  const telling = flags.json ? "json" : flags.quiet ? "quiet" : "human"
  return runKeeper(
    Effect.gen(function* () {
      const task = yield* readTask(flags)
      const deadline = yield* Option.match(flags.timeout, {
        onNone: () => Effect.succeedNone,
        onSome: (text) => Effect.asSome(deadlineIn(text))
      })
      yield* Stream.runForEachChunk(infer(task, { deadline, keep_alive: flags.keepAlive }), showAll(flags))
    }),
    { telling, node: flags.node }
  )
}

const deadlineIn = Effect.fnUntraced(function* (text: string) {
  const duration = Schema.decodeEither(DurationText)(text)
  if (Either.isLeft(duration)) {
    return yield* new InvalidRequest({ issues: ["--timeout: a duration such as 90s, 5m or 1h"] })
  }
  return DateTime.addDuration(yield* DateTime.now, duration.right)
})

/** Events that came together are written together. */
const showAll = (flags: InferFlags) => (events: Chunk.Chunk<InferenceEvent>) =>
  Effect.gen(function* () {
    const all = Chunk.toReadonlyArray(events)
    if (flags.json) return yield* toStdout(all.map((event) => `${JSON.stringify(event)}\n`).join(""))
    const text = all.map((event) => (event.type === "token" ? event.t : event.type === "end" ? "\n" : "")).join("")
    if (text !== "") yield* toStdout(text)
    if (flags.quiet) return
    const told = all.map((event) =>
      event.type === "narration"
        ? `[${event.actor}] ${event.emoji} ${event.human}\n`
        : event.type === "end"
          ? `[rbee-keeper] ✨ ${summary(event)}\n`
          : ""
    )
    yield* toStderr(told.join(""))
  })

/** `20 tokens in 150 ms (133 tok/s, first token after 12 ms)` */
const summary = ({ tokens_out, decode_time_ms, ttft_ms }: EndEvent) => {
  const rate = decode_time_ms === 0 ? "" : `${Math.round((tokens_out * 1000) / decode_time_ms)} tok/s, `
  return `${tokens_out} tokens in ${decode_time_ms} ms (${rate}first token after ${ttft_ms} ms)`
}
