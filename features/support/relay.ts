/** A network between this machine and another that is slow, or a machine that does not answer. */
import * as Net from "node:net"

/** Something that listens on a port of the loopback. */
export interface Listener {
  readonly port: number
  readonly stop: () => Promise<void>
}

const listen = (onSocket: (socket: Net.Socket) => void): Promise<Listener> =>
  new Promise((resolve, reject) => {
    const sockets = new Set<Net.Socket>()
    const server = Net.createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => undefined).once("close", () => sockets.delete(socket))
      onSocket(socket)
    })
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const stop = () =>
        new Promise<void>((ended) => {
          server.close(() => ended())
          for (const socket of sockets) socket.destroy()
        })
      resolve({ port: typeof address === "object" && address !== null ? address.port : 0, stop })
    })
  })

/** Takes connections and never says a word. */
export const silentListener = (): Promise<Listener> => listen(() => undefined)

/** Hands everything on to a port of the loopback, both ways, that much later. */
export const slowRelay = (to: number, delay_ms: number): Promise<Listener> =>
  listen((near) => {
    const far = Net.connect(to, "127.0.0.1")
    const handOn = (from: Net.Socket, into: Net.Socket) => {
      from.on("data", (bytes) => setTimeout(() => into.writable && into.write(bytes), delay_ms))
      from.on("error", () => into.destroy())
      from.once("close", () => setTimeout(() => into.destroy(), delay_ms))
    }
    handOn(near, far)
    handOn(far, near)
  })
