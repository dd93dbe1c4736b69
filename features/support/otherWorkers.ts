/** Workers that are not rbee's own: programs that take the worker's arguments and serve as much of its contract as a scenario needs. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { addRow } from "./tables.js"

/** What each of them does, by its worker type; what is not said it does as a worker should. */
export type OtherWorker = keyof typeof habits

const habits = {
  /** A worker with nothing to load. */
  "plain-worker": "",
  /** Takes two seconds to end. */
  "slow-worker": "end = () => setTimeout(() => process.exit(0), 2000)",
  /** Ends before it listens, and says why. */
  "crashing-worker": 'console.error("loading the weights\\nthe weights make no sense"); process.exit(3)',
  /** Never listens. */
  "deaf-worker": "listens = false",
  /** Listens, and gets no further than most of its layers. */
  "stuck-worker": "ready = false"
} as const

const program = (habit: string): string => `#!/usr/bin/env node
const Fs = require("node:fs")
const Http = require("node:http")
const argument = (flag) => process.argv[process.argv.indexOf(flag) + 1]
let [listens, ready, end] = [true, true, () => process.exit(0)]
${habit}
process.on("SIGTERM", () => end())
setInterval(() => {}, 1000)
const worker_id = argument("--worker-id")
const key = "Bearer " + Fs.readFileSync(argument("--api-key-file"), "utf8")
const status = {
  worker_id, state: ready ? "idle" : "loading", model_ref: argument("--model"),
  slots_total: 1, slots_available: 1, tokens_generated: 0, requests: []
}
const progress = { stage: "loading_to_ram", layers_loaded: 28, layers_total: 32, vram_mb: 0 }
const json = (response, code, body) => response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body))
const answer = (request, response) => {
  if (request.url === "/health") return json(response, 200, { status: "ok" })
  if (request.headers.authorization !== key) return json(response, 401, {})
  if (request.url === "/v1/status") return json(response, 200, status)
  if (request.url === "/v1/admin/shutdown") return json(response, 202, { message: "draining" })
  if (request.url !== "/v1/loading/progress") return json(response, 404, {})
  response.writeHead(200, { "content-type": "text/event-stream" }).write("data: " + JSON.stringify(progress) + "\\n\\n")
  if (ready) response.end('data: {"stage":"ready"}\\n\\ndata: [DONE]\\n\\n')
}
const listening = () => {
  if (!ready) return
  const report = {
    worker_id, url: "http://127.0.0.1:" + argument("--port"), model_ref: argument("--model"),
    backend: argument("--backend"), device: Number(argument("--device")), vram_bytes: 0, slots_total: 1
  }
  const headers = { authorization: key, "content-type": "application/json" }
  fetch(argument("--callback-url"), { method: "POST", headers, body: JSON.stringify(report) })
}
if (listens) Http.createServer(answer).listen(Number(argument("--port")), "127.0.0.1", listening)
`

/** Puts all of them into that folder and into the hive's catalog, as if they had been built there. Gives their paths. */
export const addOtherWorkers = async (folder: string, home: string): Promise<ReadonlyMap<string, string>> => {
  const paths = new Map<string, string>()
  for (const [worker_type, habit] of Object.entries(habits)) {
    const binary_path = Path.join(folder, worker_type)
    await Fs.writeFile(binary_path, program(habit), { mode: 0o755 })
    paths.set(worker_type, binary_path)
    const row = { id: worker_type, worker_type, version: "1.0.0", binary_path, features: "[]", built_at_unix: 1 }
    addRow(Path.join(home, "workers.db"), "worker_binaries", row)
  }
  return paths
}
