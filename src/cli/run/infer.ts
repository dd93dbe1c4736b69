/** The work of `rbee infer`. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { infer } from "../../programs/infer.js"
import type { InferFlags } from "../commands/infer.js"
import { runKeeper } from "../keeper.js"
import { showEvents } from "../render/answer.js"
import { readTask, readTimeout } from "./task.js"

/** Answers the prompt. */
export const run = (flags: InferFlags) => {
  const telling = flags.json ? "json" : flags.quiet ? "quiet" : "human"
  return runKeeper(
    Effect.gen(function* () {
      const task = yield* readTask(flags)
      const timeout = yield* readTimeout(flags.timeout)
      const now = yield* DateTime.now
      const deadline = Option.map(timeout, (time) => DateTime.addDuration(now, time))
      yield* Stream.runForEachChunk(infer(task, { deadline, keep_alive: flags.keepAlive }), showEvents(telling))
    }),
    { telling, node: flags.node }
  )
}
