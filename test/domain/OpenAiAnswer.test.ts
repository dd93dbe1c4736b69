/** A worker's events in the words of OpenAI's API, and read again from there. */
import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import * as Schema from "effect/Schema"
import { type EndEvent, type InferenceEvent, StopReason } from "../../src/domain/Inference.js"
import { ChatChunk } from "../../src/domain/OpenAi.js"
import { chatChunks, chatCompletion } from "../../src/domain/OpenAiAnswer.js"
import { chatEvents } from "../../src/domain/OpenAiClient.js"

const head = { id: "chatcmpl-1", created: 1_790_000_000, model: "demo" }
const endOf = (stop_reason: StopReason, tokens_out: number): EndEvent => ({
  ...{ type: "end", tokens_in: 4, tokens_out, decode_time_ms: 0, ttft_ms: 0 },
  stop_reason
})
const Wire = Schema.parseJson(ChatChunk)
/** As it comes over the wire. */
const sent = (chunk: ChatChunk) => Schema.decodeSync(Wire)(Schema.encodeSync(Wire)(chunk))

describe("a streamed chat answer", () => {
  it.prop(
    "says the same on the other side, why it ended included",
    [FastCheck.array(FastCheck.string({ minLength: 1 }), { minLength: 1 }), StopReason],
    ([texts, reason]) => {
      const tokens = texts.map((t, i): InferenceEvent => ({ type: "token", t, i }))
      const chunks = [...tokens, endOf(reason, texts.length)].flatMap(chatChunks(head, true))
      const heard = chunks.map(sent).flatMap(chatEvents(0, () => 0))
      // A stop string and the model's own end are the same word there.
      assert.deepStrictEqual(heard, [...tokens, endOf(reason === "stop" ? "eos" : reason, texts.length)])
    }
  )

  it("has no other fields than that API's, unless it was cut short", () => {
    const choice = (reason: StopReason) =>
      chatCompletion(head, { text: "a bee", calls: [], end: endOf(reason, 2) }).choices[0]
    assert.hasAllKeys(choice("max_tokens"), ["index", "message", "finish_reason"])
    assert.deepInclude(choice("deadline"), { finish_reason: "length", stop_reason: "deadline" })
  })
})
