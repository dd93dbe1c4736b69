/** A pool of two machines behind OpenAI's API, by the client that people's programs use. The second machine is reached by SSH. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdir, mkdtemp, rm, symlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import OpenAI from "openai"
import { queenPort, releasePorts, workerPorts } from "../support/ports.js"
import { startSshd, type TestSshd } from "../support/sshd.js"

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "")
const rbee = join(root, "dist", "bin", "rbee.js")
const patience_ms = 120_000

let folder: string
let env: NodeJS.ProcessEnv
let serving: ChildProcess
let node: TestSshd
let url: string
let client: OpenAI

/** Nothing of this machine's user; a range of ports of its own for each machine's workers. */
const machine = async (name: string): Promise<NodeJS.ProcessEnv> => {
  const home = join(folder, name)
  await mkdir(home)
  return {
    PATH: `${join(folder, "bin")}:/usr/local/bin:/usr/bin:/bin`,
    HOME: home,
    XDG_CONFIG_HOME: join(home, ".config"),
    RBEE_HOME: join(home, "rbee"),
    RBEE_HIVE_PORT: "0",
    ...(await workerPorts())
  }
}

const command = async (...args: ReadonlyArray<string>): Promise<string> =>
  (await promisify(execFile)(process.execPath, [rbee, ...args], { env })).stdout

interface Listed {
  readonly id: string
  readonly node: string
  readonly pid: number
  readonly state: string
}
const workers = async (): Promise<ReadonlyArray<Listed>> => {
  const text = await (await fetch(`${url}/v1/workers/list`)).text()
  const { workers }: { readonly workers: ReadonlyArray<Listed> } = JSON.parse(text)
  return workers
}
const until = async (isSo: () => Promise<boolean>) => {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50))
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "rbee-pool-"))
  await mkdir(join(folder, "bin"))
  await symlink(process.execPath, join(folder, "bin", "node"))
  env = { ...(await machine("here")), RBEE_QUEEN_PORT: `${await queenPort()}` }
  node = await startSshd({
    env: Object.fromEntries(Object.entries(await machine("there")).map(([k, v]) => [k, v ?? ""]))
  })
  serving = spawn(process.execPath, [rbee, "serve", "--slots", "2", "--json"], {
    env,
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (serving.stdout === null) throw new Error("the pipe was asked for")
  const [line] = await once(createInterface({ input: serving.stdout }), "line")
  const address: { readonly url: string } = JSON.parse(line)
  url = address.url.replace(/\/v1$/, "")
  client = new OpenAI({ baseURL: address.url, apiKey: "none", maxRetries: 0 })
  const target = [
    "--ssh-host",
    node.host,
    "--ssh-port",
    `${node.port}`,
    "--ssh-user",
    node.user,
    "--ssh-key",
    node.keyPath
  ]
  await command("setup", "add-node", "--name", "there", ...target, "--install-path", root)
  await command("workers", "spawn", "--node", "there", "--slots", "2")
}, patience_ms)

afterAll(async () => {
  const ended = once(serving, "exit")
  serving.kill("SIGINT")
  await ended
  await node.stop()
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  releasePorts()
}, patience_ms)

const once_upon = { model: "demo", prompt: "Once upon a time", temperature: 0 }

describe("the openai client and a pool of two machines", () => {
  it("models, chat and a stream", { timeout: patience_ms }, async () => {
    const ids = []
    for await (const { id } of client.models.list()) ids.push(id)
    assert.deepStrictEqual(ids, ["demo"])
    const messages = [{ role: "user" as const, content: "Once upon a time" }]
    const whole = await client.chat.completions.create({ model: "demo", messages, temperature: 0, max_tokens: 20 })
    let text = ""
    const stream = { model: "demo", messages, temperature: 0, max_tokens: 20, stream: true as const }
    for await (const chunk of await client.chat.completions.create(stream))
      text += chunk.choices[0]?.delta.content ?? ""
    assert.strictEqual(text, whole.choices[0]?.message.content)
  })

  it("four at once are answered by both machines, six wait for their turn", { timeout: patience_ms }, async () => {
    const answers = Promise.all(
      [1, 2, 3, 4, 5, 6].map((seed) =>
        client.completions.create({ ...once_upon, temperature: 1, seed, max_tokens: 150 })
      )
    )
    assert.lengthOf(await answers, 6)
    const found = await workers()
    assert.deepStrictEqual(found.map((worker) => worker.node).sort(), ["localhost", "there"])
    const answered = await Promise.all(
      ["localhost", "there"].map((name) => command("workers", "health", "--node", name, "--json"))
    )
    for (const text of answered) assert.match(text, /"state":"(?:idle|busy)"/)
  })

  it("an answer in JSON, embeddings, and an abort", { timeout: patience_ms }, async () => {
    const schema = { type: "object", properties: { bee: { type: "boolean" } }, additionalProperties: false }
    const answer = await client.chat.completions.create({
      model: "demo",
      messages: [{ role: "user", content: "Is it?" }],
      response_format: { type: "json_schema", json_schema: { name: "bee", schema } }
    })
    assert.isBoolean(JSON.parse(answer.choices[0]?.message.content ?? "").bee)
    const { data } = await client.embeddings.create({ model: "demo", input: ["a", "b"] })
    assert.lengthOf(data, 2)
    for await (const _ of await client.completions.create({ ...once_upon, max_tokens: 400, stream: true })) break
  })

  it("what no worker has is told by name, with what there is", async () => {
    const error = await client.completions.create({ ...once_upon, model: "gpt-4" }).catch((error: unknown) => error)
    assert.instanceOf(error, OpenAI.NotFoundError)
    assert.deepInclude(error, { code: "MODEL_NOT_FOUND", type: "not_found_error" })
  })

  it("a worker that is gone is passed over, and the answer comes from another", { timeout: patience_ms }, async () => {
    const gone = (await workers()).find(({ node }) => node === "there") ?? assert.fail("there is one")
    process.kill(gone.pid, "SIGKILL")
    const answers = await Promise.all([1, 2, 3].map(() => client.completions.create({ ...once_upon, max_tokens: 8 })))
    assert.lengthOf(new Set(answers.map(({ choices }) => choices[0]?.text)), 1)
    await until(async () => !(await workers()).some(({ id }) => id === gone.id))
  })

  it("the model is started again where no worker has it any more", { timeout: patience_ms }, async () => {
    const [last] = await workers()
    if (last === undefined) return assert.fail("one is left")
    process.kill(last.pid, "SIGKILL")
    await until(async () => (await workers()).length === 0)
    const { choices } = await client.completions.create({ ...once_upon, max_tokens: 8 })
    assert.isAbove(choices[0]?.text.length ?? 0, 4)
    assert.lengthOf(await workers(), 1)
  })
})
