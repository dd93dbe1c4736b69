/** Where this hive's workers call it. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The hive's own address, known once it listens. */
export class CallbackUrl extends Context.Tag("rbee/hive/CallbackUrl")<
  CallbackUrl,
  { readonly get: Effect.Effect<string>; readonly listening: (port: number) => Effect.Effect<void> }
>() {}

/** An address that is waited for. */
export const CallbackUrlLive: Layer.Layer<CallbackUrl> = Layer.effect(
  CallbackUrl,
  Effect.map(Deferred.make<string>(), (url) => ({
    get: Deferred.await(url),
    listening: (port) => Effect.asVoid(Deferred.succeed(url, `http://127.0.0.1:${port}/v1/workers/ready`))
  }))
)
