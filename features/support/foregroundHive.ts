/** A hive that a scenario starts by itself: its log is seen, and its exit code; there is no queen, and nothing to wait for. */
import assert from "node:assert/strict"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import type { RbeeCommand } from "./command.js"
import { askHive } from "./hive.js"
import type { RbeeWorld } from "./world.js"

/** A worker as the hive tells of it. */
export interface SpawnedWorker {
  readonly id: string
  readonly url: string
  readonly pid: number
  readonly state: string
  readonly [field: string]: unknown
}

const hives = new WeakMap<RbeeWorld, RbeeCommand>()

/** Starts it. It ends with the scenario, if it has not by then. */
export const startHive = async (world: RbeeWorld, ...flags: ReadonlyArray<string>): Promise<void> => {
  const command = world.start(["hive", "serve", "--port", "0", ...flags])
  hives.set(world, command)
  world.goodbyes.push(async () => {
    if (!command.isOver) command.signal("SIGTERM")
    await command.exit()
  })
  await command.prints("stderr", /rbee-hive listens on/)
}

/** The hive of this scenario. */
export const hiveOf = (world: RbeeWorld): RbeeCommand =>
  hives.get(world) ?? assert.fail("no hive runs in the foreground")

/** Asks it for a worker; what it answers. */
export const askForWorker = (world: RbeeWorld, body: object) =>
  askHive(world.home, "/v1/workers/spawn", { model: "demo", ...body })

/** A worker that comes up. */
export const spawnWorker = async (world: RbeeWorld, body: object): Promise<SpawnedWorker> => {
  const { status, text } = await askForWorker(world, body)
  assert.equal(status, 200, text)
  const worker: SpawnedWorker = JSON.parse(text)
  return worker
}

/** The workers that it lists. */
export const listWorkers = async (world: RbeeWorld): Promise<ReadonlyArray<SpawnedWorker>> => {
  const { status, text } = await askHive(world.home, "/v1/workers/list")
  assert.equal(status, 200, text)
  const { workers }: { readonly workers: ReadonlyArray<SpawnedWorker> } = JSON.parse(text)
  return workers
}

/** What is in `run/`, but for what the hive keeps of itself. */
export const filesOfWorkers = async (world: RbeeWorld): Promise<ReadonlyArray<string>> =>
  (await Fs.readdir(Path.join(world.home, "run"))).filter((name) => !name.startsWith("hive.")).sort()

/** A worker asked as whoever has its key may ask it. */
export const askWorker = async (
  world: RbeeWorld,
  { id, url }: Pick<SpawnedWorker, "id" | "url">,
  path: string,
  body?: object
): Promise<Response> => {
  const key = await Fs.readFile(Path.join(world.home, "run", `${id}.key`), "utf8")
  // A connection of its own: one that drains closes those that are idle, just when the next request might be sent on them.
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", connection: "close" }
  return fetch(`${url}${path}`, {
    headers,
    ...(body === undefined ? {} : { method: "POST", body: JSON.stringify(body) })
  })
}
