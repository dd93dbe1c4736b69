/** A port of the node's loopback, brought to ours. */
import * as Net from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A channel that ends at a port of the node. */
export interface TunnelChannel extends Duplex {
  readonly close: () => void
}

/** A connection as a tunnel sees it. */
export interface TunnelLink {
  readonly isOpen: () => boolean
  /** Opens a channel to a port of the node's loopback. Throws where the connection is gone. */
  readonly reach: (
    from_port: number,
    port: number,
    reached: (error: Error | undefined, channel: TunnelChannel) => void
  ) => void
  readonly onClose: (listener: () => void) => () => void
}

/** Why there is no tunnel. */
export interface TunnelProblem {
  readonly reason: string
}

/** More than any client of ours opens; a limit all the same. */
const sockets_max = 256

/** Listens on a free local port until the scope ends, and carries each of its connections to the node's port. */
export const openTunnel = (link: TunnelLink, port: number): Effect.Effect<number, TunnelProblem, Scope.Scope> =>
  Effect.acquireRelease(listen(link, port), ({ close }) => close).pipe(Effect.map(({ local_port }) => local_port))

interface Listening {
  readonly local_port: number
  readonly close: Effect.Effect<void>
}

const listen = (link: TunnelLink, port: number) =>
  Effect.async<Listening, TunnelProblem>((resume) => {
    if (!link.isOpen()) return resume(Effect.fail({ reason: "the connection to the node is gone" }))
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      sockets.add(socket)
      socket.on("close", () => sockets.delete(socket))
      carry(link, port, socket)
    })
    server.maxConnections = sockets_max
    // The port stays ours when the link breaks: a stranger who got it next would be taken for the node. Its clients are
    // reset rather than ended, so that nobody takes the cut for the end of an answer.
    const unlisten = link.onClose(() => {
      for (const socket of sockets) socket.resetAndDestroy()
    })
    const close = Effect.async<void>((closed) => {
      unlisten()
      server.close(() => closed(Effect.void))
      for (const socket of sockets) socket.destroy()
    })
    server.on("error", (error) => {
      if (!server.listening) unlisten()
      resume(Effect.fail({ reason: `no local port: ${error.message}` }))
    })
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = server.address()
      // A TCP server's address is an object; a string is a pipe's name.
      const local_port = address === null || typeof address === "string" ? 0 : address.port
      resume(Effect.succeed({ local_port, close }))
    })
  })

/**
 * Joins a client and the node's process. `pipe` carries bytes, backpressure and the end of each direction; what it does not
 * carry is an abrupt end: a client that is gone closes the channel, a channel that is gone closes the client.
 */
const carry = (link: TunnelLink, port: number, socket: Net.Socket) => {
  let channel: TunnelChannel | undefined
  const refuse = () => socket.resetAndDestroy()
  socket.on("error", () => {}) // `close` follows
  socket.on("close", () => {
    channel?.close()
    channel?.resume() // what the node still sent is dropped, or the channel would never end
  })
  const reached = (error: Error | undefined, opened: TunnelChannel) => {
    if (error !== undefined) return refuse()
    channel = opened
    opened.on("error", refuse)
    opened.on("close", () => socket.destroySoon()) // after what was received has been written
    if (socket.destroyed) {
      opened.close()
      opened.resume()
      return
    }
    socket.pipe(opened)
    opened.pipe(socket)
  }
  try {
    link.reach(socket.remotePort ?? 0, port, reached)
  } catch {
    refuse()
  }
}
