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

/** The workers as the hive of that home folder lists them. */
export const listedWorkers = async (home: string): Promise<ReadonlyArray<ListedWorker>> => {
  const { port, token }: HiveRecord = JSON.parse(await Fs.readFile(Path.join(home, "run", "hive.json"), "utf8"))
  const answer = await fetch(`http://127.0.0.1:${port}/v1/workers/list`, {
    headers: { authorization: `Bearer ${token.value}` }
  })
  if (!answer.ok) throw new Error(`the hive answered ${answer.status}: ${await answer.text()}`)
  const { workers }: { readonly workers: ReadonlyArray<ListedWorker> } = JSON.parse(await answer.text())
  return workers
}
