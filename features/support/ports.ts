/** Ports for daemons that run beside other tests. */
import * as Net from "node:net"

/** Workers' ports begin anywhere below the ports that systems hand out, with room for some workers. */
export const somePorts = () => {
  const first = 10_000 + 20 * Math.floor(Math.random() * 1_000)
  return { RBEE_WORKER_PORT_START: `${first}`, RBEE_WORKER_PORT_END: `${first + 19}` }
}

/** A queen's port lies above the workers' and below the system's own, which may give one to the next as soon as we let go of it. */
export const queenPort = async (): Promise<number> => {
  const port = 30_000 + Math.floor(Math.random() * 2_700)
  return (await isFree(port)) ? port : queenPort()
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = Net.createServer().once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
