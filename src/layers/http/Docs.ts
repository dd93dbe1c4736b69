/** `GET /openapi.json` and the page at `GET /docs`. Both hold the public contract alone, work offline, and are made when first asked for. */
import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** The routes of the documentation; the page alone weighs 2 MB, so that no daemon loads it before somebody looks. */
export const Docs: Layer.Layer<never, never, HttpApi.Api> = HttpApiBuilder.Router.use((router) =>
  Effect.gen(function* () {
    const api = yield* Effect.context<HttpApi.Api>()
    /** Lets the platform's own layer put its route on a router of its own, and answers with that. */
    const answer = (layer: Layer.Layer<never, never, HttpApi.Api>) =>
      Effect.flatMap(HttpApiBuilder.Router.router, HttpRouter.toHttpApp).pipe(
        Effect.provide(
          layer.pipe(Layer.provideMerge(HttpApiBuilder.Router.Live), Layer.provide(Layer.succeedContext(api)))
        ),
        Effect.flatten,
        Effect.orDie // the route is there: it was just made
      )
    yield* router.get(
      "/openapi.json",
      Effect.suspend(() => answer(HttpApiBuilder.middlewareOpenApi({ path: "/openapi.json" })))
    )
    yield* router.get(
      "/docs",
      Effect.flatMap(
        Effect.promise(() => import("@effect/platform/HttpApiSwagger")),
        ({ layer }) => answer(layer({ path: "/docs" }))
      )
    )
  })
)
