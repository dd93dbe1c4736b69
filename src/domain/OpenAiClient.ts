/** OpenAI's API from the asking side: a conversation as a request, and the chunks that come back as a worker's events. */
import type { ChatLine, ChatOrder } from "./Chat.js"
import type { EndEvent, InferenceEvent } from "./Inference.js"
import type { ChatChunk, ChatRequest } from "./OpenAi.js"

type Choice = ChatChunk["choices"][number]

const messageOf = ({ role, content }: ChatLine): ChatRequest["messages"][0] =>
  role === "assistant" ? { role, content, tool_calls: [] } : { role, content }

/** The request for a streamed answer, with its usage at the end. */
export const chatRequestOf = ({
  model,
  messages: [first, ...others],
  max_tokens,
  sampling
}: ChatOrder): ChatRequest => ({
  model,
  messages: [messageOf(first), ...others.map(messageOf)],
  max_tokens,
  max_completion_tokens: null,
  ...sampling,
  stream: true,
  stream_options: { include_usage: true },
  n: null,
  response_format: null,
  tools: [],
  tool_choice: null
})

const stopOf = (choice: Choice | undefined): EndEvent["stop_reason"] =>
  choice?.stop_reason ?? (choice?.finish_reason === "length" ? "max_tokens" : "eos")

/**
 * The events of a streamed chat answer, chunk by chunk: numbered tokens, and the end once the usage is known. Times are the reader's
 * own, from `begin_ms` on. Made for one answer: it counts.
 */
export const chatEvents = (
  begin_ms: number,
  now: () => number
): ((chunk: ChatChunk) => ReadonlyArray<InferenceEvent>) => {
  let i = 0
  let first_ms: number | null = null
  let last: Choice | undefined
  return ({ choices: [choice], usage }) => {
    last = choice ?? last
    const t = choice?.delta.content ?? ""
    if (t !== "") {
      first_ms ??= now()
      return [{ type: "token", t, i: i++ }]
    }
    if (usage === undefined || usage === null) return []
    const now_ms = now()
    return [
      {
        type: "end",
        tokens_out: usage.completion_tokens,
        tokens_in: usage.prompt_tokens,
        decode_time_ms: Math.round(now_ms - (first_ms ?? now_ms)),
        ttft_ms: Math.round((first_ms ?? now_ms) - begin_ms),
        stop_reason: stopOf(last)
      }
    ]
  }
}
