import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { InternalError } from "../domain/errors/Request.js"
import type { EndEvent, InferenceEvent, ToolCallEvent } from "../domain/Inference.js"
import type { WholeAnswer } from "../domain/OpenAiAnswer.js"

/** An answer in one piece, for clients that do not stream. */
export const collectAnswer: (events: Stream.Stream<InferenceEvent>) => Effect.Effect<WholeAnswer, InternalError> =
  Effect.fnUntraced(function* (events) {
    const texts: Array<string> = []
    const calls: Array<ToolCallEvent> = []
    let end: EndEvent | undefined
    yield* Stream.runForEach(events, (event) =>
      Effect.sync(() => {
        if (event.type === "token") texts.push(event.t)
        if (event.type === "tool_call") calls.push(event)
        if (event.type === "end") end = event
      })
    )
    if (end === undefined) return yield* new InternalError({ correlation_id: "-" }) // the engine ended without a reason: a bug
    return { text: texts.join(""), calls, end }
  })
