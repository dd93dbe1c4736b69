/** What is shown of an answer. */
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import { vi } from "vitest"
import { showEvents } from "../../src/cli/render/answer.js"
import type { InferenceEvent, StopReason } from "../../src/domain/Inference.js"

/** What goes to one of the terminal's streams meanwhile. */
const heardOn = (stream: typeof process.stdout | typeof process.stderr) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const heard: Array<string> = []
      const spy = vi.spyOn(stream, "write").mockImplementation((text) => heard.push(String(text)) > 0)
      return { heard, spy }
    }),
    ({ spy }) => Effect.sync(() => spy.mockRestore())
  )

const answer = (stop_reason: StopReason): ReadonlyArray<InferenceEvent> => [
  { type: "token", t: " a", i: 0 },
  { type: "token", t: " bee", i: 1 },
  { type: "end", tokens_in: 4, tokens_out: 2, decode_time_ms: 10, ttft_ms: 5, stop_reason }
]

describe("an answer for people", () => {
  const figures = "[rbee-keeper] ✨ 2 tokens in 10 ms (200 tok/s, first token after 5 ms)\n"
  for (const [reason, told] of [
    ["max_tokens", figures],
    ["eos", figures],
    ["deadline", `${figures}[rbee-keeper] ⏰ The answer was cut short by its deadline: --timeout gives it more time\n`]
  ] as const) {
    it.scoped(`${reason}: the text on stdout, its figures and what cut it short on stderr`, () =>
      Effect.gen(function* () {
        const out = yield* heardOn(process.stdout)
        const err = yield* heardOn(process.stderr)
        yield* showEvents("human")(Chunk.fromIterable(answer(reason)))
        assert.strictEqual(out.heard.join(""), " a bee\n")
        assert.strictEqual(err.heard.join(""), told)
      })
    )
  }
})
