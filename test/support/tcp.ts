/** TCP servers and clients of a test's own, closed with its scope. */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A server on a free port of the loopback, and the sockets it has at the moment. */
export interface TcpServer {
  readonly port: number
  readonly sockets: ReadonlySet<Net.Socket>
}

/** Starts a server; `nth` counts its connections from 1. Its sockets end only when they are told to. */
export const tcpServer = (
  onConnection: (socket: Net.Socket, nth: number) => void
): Effect.Effect<TcpServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<TcpServer & { readonly server: Net.Server }>((resume) => {
      const sockets = new Set<Net.Socket>()
      let nth = 0
      const server = Net.createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("close", () => sockets.delete(socket))
        socket.on("error", () => {})
        onConnection(socket, ++nth)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        resume(Effect.succeed({ server, port, sockets }))
      })
    }),
    ({ server, sockets }) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )

/** A client's socket, still connecting. */
export const tcpClient = (
  port: number,
  options: { readonly allowHalfOpen?: boolean } = {}
): Effect.Effect<Net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const socket = Net.connect({ ...options, host: "127.0.0.1", port })
      socket.on("error", () => {})
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )

/** How a socket came to its end, and what it had received by then. */
export interface Received {
  readonly bytes: Buffer
  readonly error: string | null
}

/** Reads a socket until it is closed. */
export const received = (socket: Net.Socket): Effect.Effect<Received> =>
  Effect.async((resume) => {
    const chunks: Array<Buffer> = []
    let error: string | null = null
    socket.on("data", (chunk) => chunks.push(chunk))
    socket.on("error", (problem) => {
      error = "code" in problem ? String(problem.code) : problem.message
    })
    socket.once("close", () => resume(Effect.succeed({ bytes: Buffer.concat(chunks), error })))
    socket.resume()
  })

/** What must come by itself; the limit only ends a test that failed. */
export const soon = Effect.timeoutFail({
  duration: "10 seconds",
  onTimeout: () => new Error("it did not come in 10 s")
})
