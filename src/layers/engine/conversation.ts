/** Conversations in the words of the model's own template. */
import type {
  ChatHistoryItem,
  ChatModelFunctions,
  ChatWrapper,
  LlamaModel,
  LlamaText,
  LlamaTextValue,
  Token
} from "node-llama-cpp"
import type { ChatMessage, Conversation, Tool } from "../../domain/Chat.js"
import type { CallSyntax } from "./toolCalls.js"

/** A conversation as the model reads it, and by what its answer is known to be over. */
export interface Rendered {
  readonly tokens: Array<Token>
  readonly endTokens: ReadonlySet<number>
  readonly endTexts: ReadonlyArray<string>
  /** How the model writes that it calls a tool; none where it was given none. */
  readonly calls: CallSyntax | undefined
}

type Render = (conversation: Conversation) => Rendered

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return text // arguments that are no JSON are shown to the template as they are
  }
}

/** The engine's history pairs each call with what it gave. */
const historyOf = (messages: ReadonlyArray<ChatMessage>): Array<ChatHistoryItem> => {
  const results = new Map(
    messages.flatMap((message) => (message.role === "tool" ? [[message.tool_call_id, message.content] as const] : []))
  )
  const history = messages.flatMap((message): Array<ChatHistoryItem> => {
    switch (message.role) {
      case "system":
        return [{ type: "system", text: message.content }]
      case "user":
        return [{ type: "user", text: message.content }]
      case "assistant": {
        const calls = message.tool_calls.map(({ id, name, arguments: params }, i) => ({
          type: "functionCall" as const,
          name,
          params: parse(params),
          result: parse(results.get(id) ?? ""),
          startsNewChunk: i === 0
        }))
        return [{ type: "model", response: [...(message.content === "" ? [] : [message.content]), ...calls] }]
      }
      default:
        return [] // what a tool gave stands with its call
    }
  })
  // What it is to say comes after its own last words, or where there are none yet.
  if (history.at(-1)?.type !== "model") history.push({ type: "model", response: [] })
  return history
}

const functionsOf = (tools: ReadonlyArray<Tool>): ChatModelFunctions =>
  Object.fromEntries(
    tools.map(({ name, description, parameters }) => [
      name,
      {
        ...(description === null ? {} : { description }),
        // A schema is shown to the model and holds it to nothing, so that any will do.
        ...(parameters === null ? {} : { params: parameters as NonNullable<ChatModelFunctions[string]["params"]> })
      }
    ])
  )

const plain = (text: string | LlamaText): string =>
  typeof text === "string"
    ? text
    : text.values.map((value: LlamaTextValue) => (typeof value === "string" ? value : value.value)).join("")

/** Takes 50 ms for a model with a template: asked for when the first conversation comes. */
export const conversations = (model: LlamaModel): (() => Promise<Render>) => {
  let render: Promise<Render> | undefined
  return () => {
    render ??= import("node-llama-cpp").then(({ resolveChatWrapper }) => rendererOf(model, resolveChatWrapper(model)))
    return render
  }
}

const rendererOf =
  (model: LlamaModel, wrapper: ChatWrapper): Render =>
  ({ messages, tools }) => {
    const withTools = tools.length > 0
    const state = wrapper.generateContextState({
      chatHistory: historyOf(messages),
      ...(withTools && { availableFunctions: functionsOf(tools), documentFunctionParams: true })
    })
    const tokens = state.contextText.tokenize(model.tokenizer)
    const { bos, shouldPrependBosToken } = model.tokens
    if (shouldPrependBosToken && bos !== null && tokens[0] !== bos) tokens.unshift(bos)
    const ends = state.stopGenerationTriggers.map((trigger) => ({ trigger, read: trigger.tokenize(model.tokenizer) }))
    const isOneToken = ({ read: [token, ...more] }: (typeof ends)[number]) =>
      token !== undefined && more.length === 0 && model.isSpecialToken(token)
    const { prefix, paramsPrefix, suffix } = wrapper.settings.functions.call
    return {
      tokens,
      endTokens: new Set(ends.filter(isOneToken).flatMap(({ read }) => read)),
      endTexts: ends.filter((end) => !isOneToken(end)).map(({ trigger }) => plain(trigger)),
      calls: withTools ? { prefix: plain(prefix), paramsPrefix: plain(paramsPrefix), suffix: plain(suffix) } : undefined
    }
  }
