/** A daemon's HTTP server: bound to one address, with the edge around every request and a drain at its end. */

import type * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServer from "@effect/platform/HttpServer"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import type { Tokens } from "../../services/Tokens.js"
import { Docs } from "./Docs.js"
import { counted, Drain, drainAtEnd } from "./Drain.js"
import { correlated } from "./Edge.js"

/** The address cannot be listened on: another program has it, or it is not ours. */
export class CannotListen extends Data.TaggedError("CannotListen")<{
  readonly host: string
  readonly port: number
  readonly reason: string
}> {
  override get message() {
    const why = this.reason.includes("EADDRINUSE") ? "another program listens there" : this.reason
    return `Cannot listen on ${this.host}:${this.port}: ${why}\n\n  Suggestion: stop that program, or name another port: --port N`
  }
}

/** Where to listen, how long running requests may take at the end, and what to do once the port is known. */
export interface ServeOptions<R> {
  readonly host: string
  readonly port: number
  readonly grace: Duration.DurationInput
  readonly onListening: (port: number) => Effect.Effect<void, never, R>
}

/** Serves an API. The server is the nearest layer, so that it is closed before anything its requests use. */
export const serve = <R = never>({
  host,
  port,
  grace,
  onListening
}: ServeOptions<R>): Layer.Layer<never, CannotListen, Drain | Tokens | HttpApi.Api | R> => {
  const announced = Layer.effectDiscard(
    HttpServer.addressWith((address) => (address._tag === "TcpAddress" ? onListening(address.port) : Effect.void))
  )
  const server = Layer.unwrapEffect(
    Effect.map(Drain, ({ server }) => NodeHttpServer.layer(() => server, { host, port }))
  ).pipe(
    Layer.catchAll(({ cause }) =>
      Layer.fail(new CannotListen({ host, port, reason: Predicate.isError(cause) ? cause.message : "unknown" }))
    )
  )
  return drainAtEnd(grace).pipe(
    Layer.provide(
      Layer.merge(
        HttpApiBuilder.serve((app) => counted(correlated(app))),
        announced
      )
    ),
    Layer.provide([server, Docs])
  )
}
