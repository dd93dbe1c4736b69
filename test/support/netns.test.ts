/** The hosts that tests make for themselves. */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { canHaveHosts, startHost, type TestHost, testHost } from "./netns.js"
import { soon } from "./tcp.js"

const names = () => execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
const links = () => execFileSync("ip", ["-o", "link"], { encoding: "utf8" })

/** A process inside of a host that says what it hears, beginning with `up`. */
const inside = (host: TestHost, program: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const [file, ...args] = host.enter
      const child = spawn(file, [...args, process.execPath, "-e", program], { stdio: ["ignore", "pipe", "inherit"] })
      let said = ""
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text
      })
      const heard = (text: string) =>
        Effect.async<void>((resume) => {
          const look = () => {
            if (said.includes(text)) resume(Effect.void)
          }
          child.stdout.on("data", look)
          look()
        })
      return { child, heard, said: () => said }
    }),
    ({ child }) => Effect.sync(() => child.kill("SIGKILL"))
  )

const echo = `require("net").createServer(s => {
  s.on("data", d => { console.log("got " + d); s.write("echo " + d) })
  s.on("error", e => console.log(e.code)).on("close", () => console.log("closed"))
}).listen(9200, "0.0.0.0", () => console.log("up"))`

const client = (
  address: string
) => `const s = require("net").connect(9200, ${JSON.stringify(address)}, () => s.write("one"))
  s.on("data", d => console.log(String(d))).on("error", e => console.log(e.code)).on("close", () => console.log("closed"))
  process.on("SIGUSR2", () => s.write("two"))`

describe.skipIf(!canHaveHosts())("hosts", () => {
  it.live("have ports of their own, and reach each other", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* testHost, yield* testHost]
      for (const host of [one, other]) yield* Effect.flatMap(inside(host, echo), ({ heard }) => heard("up"))
      for (const address of [other.address, "127.0.0.1"]) {
        yield* Effect.flatMap(inside(one, client(address)), ({ heard }) => heard("echo one"))
      }
    }).pipe(Effect.scoped, soon)
  )

  it.live("cut off, notice nothing, and neither do their neighbours; what was sent comes when they are healed", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* testHost, yield* testHost]
      const server = yield* inside(other, echo)
      yield* server.heard("up")
      const peer = yield* inside(one, client(other.address))
      yield* peer.heard("echo one")
      other.cut()
      peer.child.kill("SIGUSR2")
      const came = yield* Effect.fork(peer.heard("echo two"))
      yield* Effect.sleep("1500 millis") // longer than the kernel's first resends
      assert.deepStrictEqual([server.said(), peer.said()], ["up\ngot one\n", "echo one\n"])
      other.heal()
      yield* Fiber.join(came)
    }).pipe(Effect.scoped, soon)
  )

  it.live("leave nothing, nor does what ran inside of them", () =>
    Effect.gen(function* () {
      const host = startHost()
      const [file, ...args] = host.enter
      const child = spawn(file, [...args, "sleep", "300"], { stdio: "ignore" })
      const ended = yield* Effect.fork(Effect.async((resume) => void child.once("exit", () => resume(Effect.void))))
      yield* Effect.async<void>((resume) => void child.once("spawn", () => resume(Effect.void)))
      host.remove()
      host.remove()
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL") // it may not have entered yet
      yield* Fiber.join(ended)
      assert.notInclude(names(), host.name)
      assert.notInclude(links(), `rb${process.pid}`)
    }).pipe(soon)
  )

  it("are removed where the process that made them was killed", () => {
    const { pid } = spawnSync("true") // it is gone
    execFileSync("ip", ["netns", "add", `rbee-${pid}-1-test`])
    execFileSync("ip", ["link", "add", `rb${pid}br`, "type", "bridge"])
    startHost().remove()
    assert.notInclude(names(), `rbee-${pid}-`)
    assert.notInclude(links(), `rb${pid}br`)
  })
})
