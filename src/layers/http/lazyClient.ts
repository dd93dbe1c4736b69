/** Typed clients that compile an endpoint at its first call. */
import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import type * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import * as HttpClient from "@effect/platform/HttpClient"
import type * as HttpClientError from "@effect/platform/HttpClientError"
import * as Effect from "effect/Effect"
import type { ParseError } from "effect/ParseResult"
import type { Simplify } from "effect/Types"

/** What an API's clients need besides HTTP. */
type Needs<Groups extends HttpApiGroup.HttpApiGroup.Any, R> = HttpApiMiddleware.HttpApiMiddleware.Without<
  R | HttpApiGroup.HttpApiGroup.ClientContext<Groups>
>

/**
 * The client that `HttpApiClient.make` makes, endpoint by endpoint: compiling all of an API's takes a third of the time of a short
 * command, which calls one or two of them.
 */
export const lazyClient = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>,
  transformClient: (client: HttpClient.HttpClient) => HttpClient.HttpClient
): Effect.Effect<Simplify<HttpApiClient.Client<Groups, E, never>>, never, Needs<Groups, R> | HttpClient.HttpClient> =>
  Effect.gen(function* () {
    const httpClient = transformClient(yield* HttpClient.HttpClient)
    const context = yield* Effect.context<Needs<Groups, R>>()
    const endpointOf = Effect.fnUntraced(function* (group: string, endpoint: string) {
      // The names are the API's own, which a loop cannot tell the compiler.
      const making = HttpApiClient.endpoint(api, { group, endpoint, httpClient } as never)
      const made = yield* Effect.cached(
        Effect.provide(making as unknown as Effect.Effect<Call<E>, never, Needs<Groups, R>>, context)
      )
      const call: Call<E> = (request) => Effect.flatMap(made, (method) => method(request))
      return [endpoint, call] as const
    })
    const groups = yield* Effect.forEach(Object.values<HttpApiGroup.HttpApiGroup.Any>(api.groups), (group) => {
      const { identifier, endpoints } = group as HttpApiGroup.HttpApiGroup.AnyWithProps // as the platform's own client sees it
      return Effect.map(
        Effect.forEach(Object.keys(endpoints), (name) => endpointOf(identifier, name)),
        (calls) => [identifier, Object.fromEntries(calls)] as const
      )
    })
    // The shape of `HttpApiClient.make`, for which the platform has a type and no constructor.
    return Object.fromEntries(groups) as Simplify<HttpApiClient.Client<Groups, E, never>>
  })

/** A call of an endpoint, whatever it is: what all of them may fail with. */
type Call<E> = (request: unknown) => Effect.Effect<unknown, E | HttpClientError.HttpClientError | ParseError>
