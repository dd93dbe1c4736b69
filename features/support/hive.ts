/** A running hive, asked as anybody with its key may ask it: over HTTP, by the address in its home folder. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/** What is read of a worker in the hive's list. */
export interface ListedWorker {
  readonly id: string
  readonly pid: number
  readonly state: string
  readonly model_ref: string
  readonly slots_available: number
}

interface HiveRecord {
  readonly port: number
  readonly token: { readonly value: string }
}

/** What the hive of that home folder answers to a GET with its key, or to a POST where there is something to be sent. */
export const askHive = async (
  home: string,
  path: string,
  body?: object
): Promise<{ readonly status: number; readonly text: string }> => {
  const { port, token }: HiveRecord = JSON.parse(await Fs.readFile(Path.join(home, "run", "hive.json"), "utf8"))
  const headers = { authorization: `Bearer ${token.value}`, "content-type": "application/json" }
  const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers, ...sent })
  return { status: answer.status, text: await answer.text() }
}

/** The workers as the hive of that home folder lists them. */
export const listedWorkers = async (home: string): Promise<ReadonlyArray<ListedWorker>> => {
  const { status, text } = await askHive(home, "/v1/workers/list")
  if (status !== 200) throw new Error(`the hive answered ${status}: ${text}`)
  const { workers }: { readonly workers: ReadonlyArray<ListedWorker> } = JSON.parse(text)
  return workers
}
