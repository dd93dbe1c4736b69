/** Downloads whose process is killed (faults.md, "Download"): real processes, kill -9. */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { narrated, someBytes, type TestHub, testHub } from "../../support/hub.js"

const mib = 1024 ** 2
const program = fileURLToPath(new URL("../../support/fetchModel.ts", import.meta.url))
const story = someBytes(12 * mib)

/** A process that fetches the story. */
const fetcher = ({ server, models }: TestHub): Effect.Effect<ChildProcess, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, ["--import", "tsx", program, `${server.url}/`, models, "hf:bees/story"], {
        stdio: ["ignore", "pipe", "inherit"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )

/** Waits until it says so. */
const untilSays = (child: ChildProcess, words: string) =>
  Effect.async<void>((resume) => {
    let said = ""
    child.stdout?.on("data", (text: Buffer) => {
      said += text.toString("utf8")
      if (said.includes(words)) resume(Effect.void)
    })
  })

const ended = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
    return child.exitCode
  })

/** Waits until the hub has sent so many bytes in all. */
const untilSent = ({ server }: TestHub, bytes: number) =>
  Effect.repeat(Effect.delay(Effect.sync(server.bytesSent), "2 millis"), { until: (sent) => sent >= bytes })

/** What the record says is on the disk. */
const bytesKept = (hub: TestHub): number => {
  const record = hub.files().find((path) => path.endsWith(".partial.json"))
  if (record === undefined) return 0
  const text = Fs.readFileSync(Path.join(hub.models, record), "utf8")
  if (text === "") return 0 // made this moment
  const { pieces }: { readonly pieces: ReadonlyArray<number> } = JSON.parse(text)
  return pieces.reduce((sum, bytes) => sum + bytes, 0)
}

const untilKept = (hub: TestHub, bytes: number) =>
  Effect.repeat(
    Effect.delay(
      Effect.sync(() => bytesKept(hub)),
      "5 millis"
    ),
    { until: (kept) => kept >= bytes && hub.files().length > 0 }
  )

const finals = (hub: TestHub) => hub.files().filter((path) => path.endsWith(".gguf"))

describe("kill -9 of who downloads", () => {
  it.scopedLive(
    "at any moment leaves no half file under its final name, and the next one goes on",
    () =>
      Effect.gen(function* () {
        const hub = yield* testHub({ "story.gguf": story })
        hub.server.fault({ _tag: "slow", bytes_per_second: 16 * mib, times: Number.POSITIVE_INFINITY })
        for (const share of [0, 0.1, 0.4, 0.7]) {
          const child = yield* fetcher(hub)
          yield* untilKept(hub, share * story.length)
          child.kill("SIGKILL")
          yield* ended(child)
          assert.deepStrictEqual(finals(hub), [])
        }
        const kept = bytesKept(hub)
        hub.server.clearFaults()
        hub.server.forget()
        assert.strictEqual(yield* ended(yield* fetcher(hub)), 0)
        assert.lengthOf(hub.files(), 1, hub.files().join(", "))
        const [path = ""] = finals(hub)
        assert.isTrue(Fs.readFileSync(Path.join(hub.models, path)).equals(story))
        assert.strictEqual(hub.server.bytesSent(), story.length - kept)
      }).pipe(narrated),
    60_000
  )

  it.scopedLive(
    "while another process waits for it: that one takes over within 5 s, and fetches the rest",
    () =>
      Effect.gen(function* () {
        const hub = yield* testHub({ "story.gguf": story })
        // Each of the two pieces stops in its middle, and stays there.
        hub.server.fault({ _tag: "stall", after_bytes: 4 * mib })
        hub.server.fault({ _tag: "stall", after_bytes: 10 * mib })
        const holder = yield* fetcher(hub)
        yield* untilSent(hub, 6 * mib)
        const heir = yield* fetcher(hub)
        yield* untilSays(heir, "waiting for it")
        const sent = hub.server.bytesSent() // no more comes to the holder; the heir may be quicker than we look
        holder.kill("SIGKILL")
        yield* ended(holder)
        yield* Effect.timeoutFail(untilSent(hub, sent + mib), {
          duration: "5 seconds",
          onTimeout: () => new Error("nobody took over")
        })
        assert.strictEqual(yield* ended(heir), 0)
        const [path = ""] = finals(hub)
        assert.isTrue(Fs.readFileSync(Path.join(hub.models, path)).equals(story))
        assert.isBelow(hub.server.bytesSent(), 1.5 * story.length)
        assert.lengthOf(hub.files(), 1, hub.files().join(", "))
      }).pipe(narrated),
    60_000
  )
})
