import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { HiveApi } from "../../api/HiveApi.js"
import { HiveUnreachable } from "../../domain/errors/Hive.js"
import { Unauthorized, WorkerNotFound } from "../../domain/errors/index.js"
import { localhost } from "../../domain/Ids.js"
import { HiveCallback } from "../../services/HiveCallback.js"
import { aimedAt, causeOf, HttpClientLive, transformClient } from "./Client.js"
import { lazyClient } from "./lazyClient.js"

const make = Effect.map(lazyClient(HiveApi, transformClient), (api) =>
  HiveCallback.of({
    ready: (callback_url, key, payload) =>
      aimedAt({ url: new URL(callback_url).origin, token: Option.some(key) })(api.open.ready({ payload })).pipe(
        Effect.mapError((error) =>
          error instanceof WorkerNotFound || error instanceof Unauthorized
            ? error
            : new HiveUnreachable({ node: localhost, attempts: 1, reason: causeOf(error) })
        )
      )
  })
)

/** The ready callback over HTTP. */
export const HiveCallbackHttp: Layer.Layer<HiveCallback> = Layer.provide(
  Layer.effect(HiveCallback, make),
  HttpClientLive
)
