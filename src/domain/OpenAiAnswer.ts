/** A worker's events in the words of OpenAI's API. */
import type { EndEvent, InferenceEvent, StopReason, ToolCallEvent } from "./Inference.js"
import type { ChatChunk, ChatCompletion, Completion, FinishReason, Usage } from "./OpenAi.js"

/** What all pieces of one answer have in common. */
export interface AnswerHead {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
}

/** What a request cost, from the figures at its end. */
export const usageOf = ({ tokens_in, tokens_out }: EndEvent): Usage => ({
  prompt_tokens: tokens_in,
  completion_tokens: tokens_out,
  total_tokens: tokens_in + tokens_out
})

/** How an answer ended. A deadline and a cancellation leave it short, which clients of that API know as `length`; others are told more. */
const endingOf = (reason: StopReason, calls: number) => ({
  finish_reason: finishOf(reason, calls),
  ...((reason === "cancelled" || reason === "deadline") && { stop_reason: reason })
})

const finishOf = (reason: StopReason, calls: number): FinishReason =>
  calls > 0 ? "tool_calls" : reason === "eos" || reason === "stop" ? "stop" : "length"

const unended = { finish_reason: null }

const callOf = (id: string, index: number, call: ToolCallEvent) => ({
  id: `call_${id}_${index}`,
  type: "function" as const,
  function: { name: call.name, arguments: call.arguments }
})

/**
 * The chunks of a streamed chat answer, event by event: the role first, then text and calls, the reason for its end, and the usage
 * where it was asked for. Made for one answer: it counts.
 */
export const chatChunks = (
  head: AnswerHead,
  include_usage: boolean
): ((event: InferenceEvent) => ReadonlyArray<ChatChunk>) => {
  const base = { ...head, object: "chat.completion.chunk" as const }
  const chunk = (
    delta: ChatChunk["choices"][number]["delta"],
    ending: ReturnType<typeof endingOf> | typeof unended = unended
  ): ChatChunk => ({
    ...base,
    choices: [{ index: 0, delta, ...ending }],
    ...(include_usage && { usage: null })
  })
  let calls = 0
  return (event) => {
    switch (event.type) {
      case "narration":
        return [chunk({ role: "assistant", content: "" })]
      case "token":
        return [chunk({ content: event.t })]
      case "tool_call": {
        const index = calls++
        return [chunk({ tool_calls: [{ index, ...callOf(head.id, index, event) }] })]
      }
      case "end":
        return [
          chunk({}, endingOf(event.stop_reason, calls)),
          ...(include_usage ? [{ ...base, choices: [], usage: usageOf(event) }] : [])
        ]
    }
  }
}

/** The pieces of a streamed completion. */
export const completionChunks = (
  head: AnswerHead,
  include_usage: boolean
): ((event: InferenceEvent) => ReadonlyArray<Completion>) => {
  const base = { ...head, object: "text_completion" as const }
  const chunk = (text: string, ending: ReturnType<typeof endingOf> | typeof unended): Completion => ({
    ...base,
    choices: [{ index: 0, text, logprobs: null, ...ending }],
    ...(include_usage && { usage: null })
  })
  return (event) => {
    switch (event.type) {
      case "token":
        return [chunk(event.t, unended)]
      case "end":
        return [
          chunk("", endingOf(event.stop_reason, 0)),
          ...(include_usage ? [{ ...base, choices: [], usage: usageOf(event) }] : [])
        ]
      default:
        return []
    }
  }
}

/** An answer that was waited for. */
export interface WholeAnswer {
  readonly text: string
  readonly calls: ReadonlyArray<ToolCallEvent>
  readonly end: EndEvent
}

/** A chat answer in one piece. */
export const chatCompletion = (head: AnswerHead, { text, calls, end }: WholeAnswer): ChatCompletion => ({
  ...head,
  object: "chat.completion",
  choices: [
    {
      index: 0,
      message: {
        role: "assistant",
        content: calls.length > 0 && text === "" ? null : text,
        ...(calls.length > 0 && { tool_calls: calls.map((call, i) => callOf(head.id, i, call)) })
      },
      ...endingOf(end.stop_reason, calls.length)
    }
  ],
  usage: usageOf(end)
})

/** A completion in one piece. */
export const completion = (head: AnswerHead, { text, end }: WholeAnswer): Completion => ({
  ...head,
  object: "text_completion",
  choices: [{ index: 0, text, logprobs: null, ...endingOf(end.stop_reason, 0) }],
  usage: usageOf(end)
})
