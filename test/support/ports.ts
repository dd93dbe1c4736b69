/** Ports for daemons that run beside other tests, of this process and of others. */
import * as Dgram from "node:dgram"
import * as Net from "node:net"

/**
 * Where one hive's workers begin: a range that no other test has, below the ports that systems hand out. What it says is
 * to be in the hive's environment.
 */
export const workerPorts = async () => {
  const first = await ownPort(() => 10_000 + 20 * Math.floor(Math.random() * 1_000))
  return { RBEE_WORKER_PORT_START: `${first}`, RBEE_WORKER_PORT_END: `${first + 19}` }
}

/** A queen's port: above the workers' and below the system's own, which may give one to the next as soon as we let go of it. */
export const queenPort = async (): Promise<number> => {
  const port = await ownPort(() => 30_000 + Math.floor(Math.random() * 2_700))
  return (await isFree(port)) ? port : queenPort()
}

/** What tells other processes of tests that a port is taken: its UDP twin, which goes with the process, however it ends. */
const marks = new Set<Dgram.Socket>()

/** Lets others have the ports that this process took, once nothing runs on them any more. */
export const releasePorts = (): void => {
  for (const mark of marks) mark.close()
  marks.clear()
}

/** One of these ports that no other test has. */
const ownPort = (any: () => number): Promise<number> =>
  new Promise((resolve) => {
    const port = any()
    const mark = Dgram.createSocket("udp4").once("error", () => resolve(ownPort(any)))
    mark.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      marks.add(mark.unref())
      resolve(port)
    })
  })

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = Net.createServer().once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
