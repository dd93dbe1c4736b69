/** A queen's handlers over real HTTP, in a world of doubles. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import { QueenApi } from "../../src/api/QueenApi.js"
import { StopLive } from "../../src/daemons/daemon.js"
import { OpenHandlers, RegistryHandlers, TasksHandlers } from "../../src/daemons/queen/handlers.js"
import { HiveKeeping } from "../../src/daemons/queen/hives.js"
import { ModelsHandlers } from "../../src/daemons/queen/models.js"
import { OpenAiHandlers } from "../../src/daemons/queen/openai.js"
import { NodesHandlers, WorkersHandlers } from "../../src/daemons/queen/workers.js"
import { authLive } from "../../src/layers/http/AuthLive.js"
import { DrainLive } from "../../src/layers/http/Drain.js"
import { guarded } from "../../src/layers/http/Edge.js"
import { serve } from "../../src/layers/http/HttpServerLive.js"
import { TestRbee, type TestWorld } from "../../src/testing/TestRbee.js"
import { type Asked, askAt, onFreePort, serverKey } from "./http.js"
import { node } from "./samples.js"

/** Where the queen under test is. */
export class Queen extends Context.Tag("test/Queen")<Queen, { readonly port: number }>() {}

const queen = (world: TestWorld) =>
  Layer.unwrapScoped(
    Effect.map(onFreePort, ({ options, port }) => {
      const graph = serve(options).pipe(
        Layer.provide(HttpApiBuilder.api(QueenApi)),
        Layer.provide([
          OpenHandlers,
          RegistryHandlers,
          ModelsHandlers,
          WorkersHandlers,
          NodesHandlers,
          TasksHandlers,
          OpenAiHandlers,
          HttpApiBuilder.middleware(QueenApi, guarded)
        ]),
        Layer.provide(authLive("queen-rbee", Effect.succeedSome(serverKey))),
        Layer.provide(Layer.succeed(HiveKeeping, { releaseAll: Effect.void })),
        Layer.provideMerge(Layer.mergeAll(DrainLive, StopLive)),
        Layer.provideMerge(TestRbee.with(world))
      )
      const listening = Layer.effect(
        Queen,
        Effect.map(port, (port) => ({ port }))
      )
      return Layer.provideMerge(listening, graph)
    })
  ).pipe(Layer.orDie, Layer.provide(Logger.minimumLogLevel(LogLevel.None)))

/** Runs a test with a queen of such a pool, in which the workstation is known. */
export const withQueen =
  (given: TestWorld = {}) =>
  <A, E>(test: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof queen>>>): Effect.Effect<A, E> =>
    Effect.provide(test, queen({ nodes: [node()], ...given }))

/** Asks that queen. */
export const ask = (path: string, asked?: Asked) => Effect.flatMap(Queen, ({ port }) => askAt(port)(path, asked))
