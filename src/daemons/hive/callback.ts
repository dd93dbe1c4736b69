/** Where this hive listens, as its workers need to know it. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { localUrl } from "../../domain/Address.js"

/** The hive's own address, known once it listens. */
export class CallbackUrl extends Context.Tag("rbee/hive/CallbackUrl")<
  CallbackUrl,
  {
    /** Where its workers call it. */
    readonly get: Effect.Effect<string>
    /** The address that it is bound to, and its workers with it. */
    readonly host: Effect.Effect<string>
    readonly listening: (host: string, port: number) => Effect.Effect<void>
  }
>() {}

/** An address that is waited for. */
export const CallbackUrlLive: Layer.Layer<CallbackUrl> = Layer.effect(
  CallbackUrl,
  Effect.map(Deferred.make<{ readonly host: string; readonly port: number }>(), (bound) => ({
    get: Effect.map(Deferred.await(bound), ({ host, port }) => `${localUrl(host, port)}/v1/workers/ready`),
    host: Effect.map(Deferred.await(bound), ({ host }) => host),
    listening: (host, port) => Effect.asVoid(Deferred.succeed(bound, { host, port }))
  }))
)
