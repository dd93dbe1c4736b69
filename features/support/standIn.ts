/** A stand-in for a node's hive: what answers like one, of any version, as slowly or as wrongly as a scenario wants. */
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import * as Path from "node:path"

/** What it has and says. */
export interface StandInState {
  version: string
  /** What health is answered with, where it is not JSON; "nothing" never answers. */
  health: string | null
  backends: ReadonlyArray<object>
  worker_binaries: ReadonlyArray<string>
  resources: Readonly<Record<string, unknown>>
  workers: ReadonlyArray<object>
}

/** A stand-in that runs: the command in its folder starts nothing and names its address. */
export interface StandIn {
  readonly state: StandInState
  /** What it was asked, in order: `GET /v1/health`. */
  readonly asked: ReadonlyArray<string>
  readonly stop: () => Promise<void>
}

/** What a sound hive of this version says. */
const sound = (): StandInState => ({
  version: "0.1.0",
  health: null,
  backends: [{ name: "cpu", available: true, devices: [] }],
  worker_binaries: ["llm-worker-rbee"],
  resources: {
    ...{ ram_total_mb: 16_000, ram_available_mb: 8000, swap_total_mb: 4000, swap_free_mb: 3000 },
    ...{ disk_free_mb: 9000, disk_busy_percent: 0, cpu_cores: 4, cpu_load: 0.5, gpus: [] }
  },
  workers: []
})

/** Installs the command in that folder and serves; both of them tell the state as it is when they are asked. */
export const startStandIn = async (folder: string): Promise<StandIn> => {
  const state = sound()
  const asked: Array<string> = []
  const server = Http.createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(state, request.method ?? "", request.url ?? "", response)
  })
  const port = await listen(server)
  await installCommand(folder, port)
  return {
    state,
    asked,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

/** A worker binary as hives list it. */
const listed = (worker_type: string, version: string) => ({
  ...{
    worker_type,
    version,
    binary_path: `/usr/local/bin/${worker_type}`,
    features: [],
    installed_at_unix: 1_700_000_000
  }
})

const answer = (state: StandInState, method: string, url: string, response: Http.ServerResponse): void => {
  const json = (body: object, status = 200) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body))
  const events = (...lines: ReadonlyArray<object>) =>
    response
      .writeHead(200, { "content-type": "text/event-stream" })
      .write([": ok", ...lines.map((line) => `data: ${JSON.stringify(line)}`), ""].join("\n\n"))
  const { version, health, backends, worker_binaries, resources, workers } = state
  switch (`${method} ${url.replace(/^(\/v1\/lease)\/.*/, "$1/")}`) {
    case "GET /v1/health":
      if (health === "nothing") return
      if (health !== null) return void response.writeHead(200, { "content-type": "application/json" }).end(health)
      return void json({ status: "alive", version, api_version: "v1" })
    case "GET /v1/backends/list":
      return void json({ backends })
    case "GET /v1/resources":
      return void json(resources)
    case "GET /v1/worker-binaries/list":
      return void json({ binaries: worker_binaries.map((worker_type) => listed(worker_type, version)) })
    case "GET /v1/workers/list":
      return void json({ workers })
    case "GET /v1/events":
      return void events({ type: "workers", workers })
    case "POST /v1/lease":
    case "PUT /v1/lease":
      return void json({ message: "renewed" })
    case "DELETE /v1/lease/":
      events({ type: "released", stopping: false })
      return void response.end("data: [DONE]\n\n")
    default:
      return void json({ error: { code: "ROUTE_NOT_FOUND", message: "No such path", details: {} } }, 404)
  }
}

const listen = (server: Http.Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })

/** The node's `rbee-hive`: it runs by itself, so that what it tells of the state is what is so from the start. */
const installCommand = async (folder: string, port: number): Promise<void> => {
  const bin = Path.join(folder, "dist", "bin")
  await Fs.mkdir(bin, { recursive: true })
  const program = Path.join(bin, "rbee-hive.js")
  await Fs.writeFile(
    program,
    `#!/usr/bin/env node
const started = { pid: ${process.pid}, host: "127.0.0.1", port: ${port}, token: "stand-in", version: "0.1.0", started: false }
const answers = {
  "--version": "0.1.0",
  detect: JSON.stringify({ backends: ["cpu"], devices: { cpu: 1 } }),
  start: JSON.stringify(started),
  stop: ""
}
const answer = answers[process.argv[2]]
if (answer === undefined) process.exit(1)
console.log(answer)
`
  )
  await Fs.chmod(program, 0o755)
  // Node takes a file without a package for CommonJS or not by what is in it: this says so.
  await Fs.writeFile(Path.join(folder, "package.json"), "{}\n")
}
