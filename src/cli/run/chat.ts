/** The work of `rbee chat`. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { InferenceEvent } from "../../domain/Inference.js"
import { type Chat, openChat } from "../../programs/chat.js"
import type { ChatFlags } from "../commands/chat.js"
import type { Reported } from "../exit.js"
import { reportError, runKeeper, type TellOptions } from "../keeper.js"
import { showEvents } from "../render/answer.js"
import { type LineInput, openLineInput } from "../render/lineInput.js"
import { toStderr, toStdout } from "../render/terminal.js"
import { readTask, readTimeout } from "./task.js"

/** Talks until there is nothing more to be said. */
export const run = (flags: ChatFlags) => {
  const options: TellOptions = { telling: flags.json ? "json" : flags.quiet ? "quiet" : "human", node: flags.node }
  return runKeeper(
    Effect.scoped(
      Effect.gen(function* () {
        const task = yield* readTask({ ...flags, prompt: "chat" }) // a task has one; messages go to the worker later
        const timeout = yield* readTimeout(flags.timeout)
        const chat = yield* openChat(task, { system: flags.system, timeout, keep_alive: flags.keepAlive })
        const input = yield* openLineInput
        if (input.interactive && !flags.quiet) {
          yield* toStderr(`\nChat with ${task.model} on ${task.node}. /help tells what else there is.\n`)
        }
        return yield* converse(chat, input, options)
      })
    ),
    options
  )
}

const help = `Every line is a message. Besides:
  /clear   forget what was said, and begin anew
  /help    this
  /exit    end the chat, and what was started for it (Ctrl+D)
Ctrl+C stops an answer, not the chat.
`

/**
 * One message after the other. An answer that fails is no end of the chat; without a terminal, though, the last answer's failure is the
 * command's.
 */
const converse = Effect.fnUntraced(function* (chat: Chat, input: LineInput, options: TellOptions) {
  let failed = Option.none<Reported>()
  let warned = false
  for (;;) {
    const heard = yield* Effect.raceFirst(input.next, Effect.as(input.interrupted, "interrupt" as const))
    if (heard === "interrupt") {
      if (warned) return yield* Effect.interrupt
      warned = true
      yield* toStderr(`${input.interactive ? "\n" : ""}Ctrl+C again ends the chat, as do Ctrl+D and /exit.\n`)
      continue
    }
    warned = false
    if (Option.isNone(heard)) break
    const line = heard.value.trim()
    if (line === "") continue
    if (line === "/exit") return
    if (line === "/help") yield* toStderr(help)
    else if (line === "/clear") {
      yield* chat.clear
      yield* toStderr("Nothing of it is remembered any more.\n")
    } else if (/^\/\w+$/.test(line)) yield* toStderr(`There is no ${line}. /help tells what there is.\n`)
    else failed = yield* answer(chat, line, input, options)
  }
  if (input.interactive) yield* toStderr("\n")
  else if (Option.isSome(failed)) return yield* failed.value
})

/** Shows the answer to one message, until its end or Ctrl+C; gives the failure that was shown, if there was one. */
const answer = (chat: Chat, line: string, { interrupted }: LineInput, options: TellOptions) => {
  let midLine = false
  const show = showEvents(options.telling)
  const showAll = (events: Chunk.Chunk<InferenceEvent>) => {
    midLine = Option.exists(Chunk.last(events), ({ type }) => type === "token")
    return show(events)
  }
  const endLine = Effect.suspend(() => (midLine && options.telling !== "json" ? toStdout("\n") : Effect.void))
  const explain = (error: unknown) =>
    Effect.gen(function* () {
      yield* endLine
      const reported = yield* Effect.flip(reportError(options)(error))
      if (Predicate.isTagged(error, "ContextOverflow")) yield* toStderr("  Or begin anew: /clear\n")
      return Option.some(reported)
    })
  return Effect.raceFirst(
    Stream.runForEachChunk(chat.say(line), showAll).pipe(Effect.as(Option.none<Reported>()), Effect.catchAll(explain)),
    Effect.as(Effect.zipRight(interrupted, endLine), Option.none<Reported>())
  )
}
