/** Ports that a node can reach, brought to us: single channels, and a local port that outlives the connection behind it. */
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { Connection } from "./connection.js"

/** A channel that ends at a port which the node can reach. */
export interface TunnelChannel extends Duplex {
  readonly close: () => void
}

/** A connection as a channel sees it. */
export interface ReachLink {
  readonly isOpen: () => boolean
  /** Opens a channel through the node to a host and port. Throws where the connection is gone. */
  readonly reach: (
    from_port: number,
    host: string,
    port: number,
    reached: (error: Error | undefined, channel: TunnelChannel) => void
  ) => void
}

/** Why there is no tunnel. */
export interface TunnelProblem {
  readonly reason: string
}

/** Opens a channel, which is closed with the scope. */
export const reachPort = (
  link: ReachLink,
  from_port: number,
  host: string,
  port: number
): Effect.Effect<TunnelChannel, TunnelProblem, Scope.Scope> =>
  Effect.suspend(() => {
    let channel: TunnelChannel | undefined
    let abandoned = false
    const discard = () => {
      abandoned = true
      channel?.close()
      channel?.resume() // what the node still sent is dropped, or the channel would never end
    }
    const opening = Effect.async<TunnelChannel, TunnelProblem>((resume) => {
      const gone = () => resume(Effect.fail({ reason: "the connection to the node is gone" }))
      try {
        link.reach(from_port, host, port, (error, opened) => {
          if (error !== undefined) return link.isOpen() ? resume(Effect.fail({ reason: error.message })) : gone()
          channel = opened
          opened.on("error", () => {}) // writing to a channel that has ended; `close` follows
          if (abandoned) discard()
          else resume(Effect.succeed(opened))
        })
      } catch {
        gone()
      }
      return Effect.sync(discard)
    })
    return Effect.zipRight(
      Effect.addFinalizer(() => Effect.sync(discard)),
      opening
    )
  })

/** More than any client of ours opens; a limit all the same. */
const sockets_max = 256

/**
 * Listens on a free local port until the scope ends, and carries each of its connections to the port of the node's loopback.
 * `connect` is asked at once, so that a node that cannot be had is told at once, and again for each client, for as long as
 * it lasts: so the port stays the same when the connection is lost and made anew. A client for whom nothing listens there is reset, as
 * by the node itself; one that had no answer when the way to the node was lost gets none, which tells nothing of what runs there.
 */
export const openTunnel = (
  connect: Effect.Effect<Connection, TunnelProblem, Scope.Scope>,
  port: number
): Effect.Effect<number, TunnelProblem, Scope.Scope> =>
  Effect.gen(function* () {
    yield* Effect.scoped(connect)
    const serve = yield* FiberSet.makeRuntime<never>()
    const { local_port } = yield* Effect.acquireRelease(
      listen((socket) => serve(carry(connect, port, socket))),
      ({ close }) => close
    )
    return local_port
  })

interface Listening {
  readonly local_port: number
  readonly close: Effect.Effect<void>
}

const listen = (onClient: (socket: Net.Socket) => void) =>
  Effect.async<Listening, TunnelProblem>((resume) => {
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket)
      socket.on("error", () => {}) // `close` follows
      socket.on("close", () => sockets.delete(socket))
      onClient(socket)
    })
    server.maxConnections = sockets_max
    const close = Effect.async<void>((closed) => {
      server.close(() => closed(Effect.void))
      for (const socket of sockets) socket.resetAndDestroy()
    })
    server.on("error", (error) => resume(Effect.fail({ reason: `no local port: ${error.message}` })))
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = server.address()
      // A TCP server's address is an object; a string is a pipe's name.
      const local_port = address === null || typeof address === "string" ? 0 : address.port
      resume(Effect.succeed({ local_port, close }))
    })
  })

/** Serves one client until its socket is closed, whoever closes it. */
const carry = (connect: Effect.Effect<Connection, TunnelProblem, Scope.Scope>, port: number, socket: Net.Socket) => {
  const closed = Effect.async<void>((resume) => {
    const close = () => resume(Effect.void)
    if (socket.closed) return close()
    socket.once("close", close)
    return Effect.sync(() => socket.off("close", close))
  })
  const gone = Effect.zipRight(
    Effect.sync(() => leave(socket)),
    closed
  )
  return Effect.gen(function* () {
    const connection = yield* Effect.tapError(connect, () => gone)
    const channel = yield* Effect.tapError(connection.reach(socket.remotePort ?? 0, "127.0.0.1", port), () =>
      connection.isOpen() ? Effect.void : gone
    )
    yield* Effect.acquireRelease(
      Effect.sync(() => connection.onClose(() => leave(socket))),
      (unlisten) => Effect.sync(unlisten)
    )
    join(connection, channel, socket)
    return yield* Effect.never
  }).pipe(
    Effect.raceFirst(closed), // a client that leaves is waited for by nobody
    Effect.scoped,
    Effect.catchAll(({ reason }) => Effect.logDebug(`tunnel to port ${port}: a client was reset: ${reason}`)),
    Effect.ensuring(Effect.sync(() => socket.destroyed || socket.resetAndDestroy()))
  )
}

/**
 * Takes leave of a client whose node is out of reach: an answer that has begun is reset, since nobody may take that for its end;
 * one that has not is left out. What the client wrote is read first: closing on unread bytes is a reset.
 */
const leave = (socket: Net.Socket) => {
  if (socket.bytesWritten > 0) socket.resetAndDestroy()
  else socket.unpipe().resume().end()
}

/**
 * Joins a client and the node's process. `pipe` carries bytes and backpressure; the end of each direction is carried here,
 * since a lost connection ends its channels too, and nobody may take that for the end of an answer.
 */
const join = (connection: Connection, channel: TunnelChannel, socket: Net.Socket) => {
  channel.on("error", () => socket.resetAndDestroy())
  channel.on("end", () => (connection.isOpen() ? socket.end() : leave(socket)))
  // Not before what was received has been written.
  channel.on("close", () => (connection.isOpen() ? socket.destroySoon() : leave(socket)))
  socket.pipe(channel)
  channel.pipe(socket, { end: false })
}
