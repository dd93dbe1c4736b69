/** How an answer is shown: tokens on stdout as they come, its figures on stderr. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import type { EndEvent, InferenceEvent } from "../../domain/Inference.js"
import type { Telling } from "./narrator.js"
import { toStderr, toStdout } from "./terminal.js"

/** Shows events; those that came together are written together. */
export const showEvents =
  (telling: Telling) =>
  (events: Chunk.Chunk<InferenceEvent>): Effect.Effect<void> =>
    Effect.gen(function* () {
      const all = Chunk.toReadonlyArray(events)
      if (telling === "json") return yield* toStdout(all.map((event) => `${JSON.stringify(event)}\n`).join(""))
      const text = all.map((event) => (event.type === "token" ? event.t : event.type === "end" ? "\n" : "")).join("")
      if (text !== "") yield* toStdout(text)
      if (telling === "quiet") return
      const told = all.map((event) =>
        event.type === "narration"
          ? `[${event.actor}] ${event.emoji} ${event.human}\n`
          : event.type === "end"
            ? `[rbee-keeper] ✨ ${summary(event)}\n${event.stop_reason === "deadline" ? cutShort : ""}`
            : ""
      )
      yield* toStderr(told.join(""))
    })

/** It ended well, and yet is not what was asked for. */
const cutShort = "[rbee-keeper] ⏰ The answer was cut short by its deadline: --timeout gives it more time\n"

/** `20 tokens in 150 ms (133 tok/s, first token after 12 ms)` */
const summary = ({ tokens_out, decode_time_ms, ttft_ms }: EndEvent) => {
  const rate = decode_time_ms === 0 ? "" : `${Math.round((tokens_out * 1000) / decode_time_ms)} tok/s, `
  return `${tokens_out} tokens in ${decode_time_ms} ms (${rate}first token after ${ttft_ms} ms)`
}
