/** The task that the flags of `infer` and `plan` describe. */
import { text as readAll } from "node:stream/consumers"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Backend } from "../../domain/Device.js"
import { InvalidBackend, InvalidRequest } from "../../domain/errors/Request.js"
import { parseModelRef } from "../../domain/ModelRef.js"
import { InferenceTask } from "../../domain/Task.js"
import { DurationText } from "../../domain/Time.js"
import type { TaskFlags } from "../commands/infer.js"
import { invalid } from "../render/issues.js"

/** Everything that can be refused is refused here, before anything is started. */
export const readTask = Effect.fnUntraced(function* (flags: TaskFlags) {
  const model = yield* parseModelRef(flags.model)
  if (!Schema.is(Backend)(flags.backend)) return yield* new InvalidBackend()
  const prompt = flags.prompt === "-" ? yield* Effect.promise(() => readAll(process.stdin)) : flags.prompt
  const { device, maxTokens: max_tokens, temperature, topP, topK, minP, repeatPenalty, seed, stop } = flags
  const { ctxSize, slots, threads, pin } = flags
  return yield* Effect.mapError(
    decodeTask({
      node: flags.node,
      model: model.toString(),
      backend: flags.backend,
      device: Option.getOrNull(device),
      prompt,
      max_tokens,
      temperature,
      top_p: Option.getOrNull(topP),
      top_k: Option.getOrNull(topK),
      min_p: Option.getOrNull(minP),
      repeat_penalty: Option.getOrNull(repeatPenalty),
      seed: Option.getOrNull(seed),
      stop: [...stop],
      ctx_size: Option.getOrNull(ctxSize),
      threads: Option.getOrNull(threads),
      pin,
      ...Option.match(slots, { onNone: () => ({}), onSome: (count) => ({ slots: count }) })
    }),
    invalid
  )
})

const decodeTask = Schema.decodeUnknown(InferenceTask, { errors: "all" })

/** What `--timeout` says. */
export const readTimeout = (
  given: Option.Option<string>
): Effect.Effect<Option.Option<Duration.Duration>, InvalidRequest> =>
  Option.match(given, {
    onNone: () => Effect.succeedNone,
    onSome: (text) =>
      Effect.mapBoth(decodeDuration(text), {
        onSuccess: Option.some,
        onFailure: () => new InvalidRequest({ issues: ["--timeout: a duration such as 90s, 5m or 1h"] })
      })
  })

const decodeDuration = Schema.decode(DurationText)
