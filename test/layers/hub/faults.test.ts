/** What must be survived on the way from the hub to the disk (faults.md, "Download"). */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import * as TestServices from "effect/TestServices"
import { ChecksumMismatch, DownloadFailed, DownloadTimeout } from "../../../src/domain/errors/Model.js"
import type { HubFault } from "../../../src/testing/hub/HubServer.js"
import { NarratorTest } from "../../../src/testing/NarratorTest.js"
import { failsWith } from "../../support/assertFails.js"
import { narrated, sha256Of, someBytes, type TestHub, testHub } from "../../support/hub.js"

const mib = 1024 ** 2
const always = Number.POSITIVE_INFINITY
const reference = "hf:bees/story"
const story = someBytes(400_000)

const arrived = (hub: TestHub, content: Buffer) =>
  Effect.gen(function* () {
    const { local_path } = yield* hub.fetch()
    assert.isTrue(Fs.readFileSync(local_path).equals(content))
    assert.lengthOf(hub.files(), 1, hub.files().join(", "))
  })

/** Waits until so many bytes are on the disk. */
const untilOnDisk = (hub: TestHub, bytes: number) =>
  Effect.repeat(
    Effect.delay(
      Effect.sync(() =>
        hub.files().some((path) => path.endsWith(".partial") && Fs.statSync(Path.join(hub.models, path)).size >= bytes)
      ),
      "5 millis"
    ),
    { until: (there) => there }
  )

describe("a connection that is cut", () => {
  it.scopedLive(
    "at 100 offsets, the ends among them: the right bytes, and no byte twice",
    () =>
      Effect.gen(function* () {
        const random = Arr.makeBy(97, (n) => (n * 7_919 + 13) % story.length)
        const offsets = Arr.chunksOf([0, 1, story.length - 1, ...random], 5)
        yield* Effect.forEach(
          offsets,
          (some) =>
            Effect.gen(function* () {
              const hub = yield* testHub({ "story.gguf": story })
              for (const after_bytes of some) hub.server.fault({ _tag: "cut", after_bytes })
              yield* arrived(hub, story)
              const sent = hub.server.requests().map(({ status, sent_bytes }) => `${status}: ${sent_bytes}`)
              assert.strictEqual(hub.server.bytesSent(), story.length, `cut at ${some}; ${sent.join(", ")}`)
            }).pipe(Effect.scoped),
          { concurrency: 5, discard: true }
        )
      }).pipe(narrated),
    60_000
  )

  it.scopedLive("in several of its ranges at once: told once, fetched once", () =>
    Effect.gen(function* () {
      const large = someBytes(20 * mib)
      const hub = yield* testHub({ "story.gguf": large })
      for (const after_bytes of [3, 11, 19]) hub.server.fault({ _tag: "cut", after_bytes: after_bytes * mib })
      yield* arrived(hub, large)
      assert.isAtMost(hub.server.bytesSent(), large.length * 1.01)
    }).pipe(narrated)
  )

  it.scopedLive("by a reset, six times in a row without a byte (EH-008b)", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "cut", after_bytes: 0, reset: true, times: always })
      yield* failsWith(hub.fetch(), new DownloadFailed({ reference, attempts: 6, reason: "the connection was cut" }))
      assert.deepStrictEqual(hub.files(), [])
      const lines = yield* (yield* NarratorTest).lines
      assert.deepStrictEqual(
        lines.map((line) => line.replace(/^.*: attempt/, "attempt")),
        [100, 200, 400, 800, 1600].map((wait, n) => `attempt ${n + 2} of 6 in ${wait} ms`)
      )
    }).pipe(narrated)
  )
})

describe("a connection that says nothing", () => {
  it.scopedLive("is made anew, and goes on where it stopped", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "stall", after_bytes: 123_456 })
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), story.length)
      const [first, second] = hub.server.requests().filter(({ host }) => host === "cdn")
      assert.deepStrictEqual([first?.range, second?.range], ["bytes=0-399999", "bytes=123456-399999"])
    }).pipe(narrated)
  )

  it.scopedLive("six times in a row is a timeout, and what came is kept (EH-008a)", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "stall", after_bytes: 100_000, times: always })
      const quickly = { timeouts: { download_stall: Duration.millis(100) } }
      yield* failsWith(hub.fetch(reference, quickly), new DownloadTimeout({ reference, attempts: 6 }))
      assert.lengthOf(hub.files(), 2)
      hub.server.clearFaults()
      hub.server.forget()
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), story.length - 100_000)
    }).pipe(narrated)
  )
})

describe("wrong bytes", () => {
  it.scopedLive("once: deleted, fetched again, right (EH-008c)", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "flip", at: 200_000 })
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), 2 * story.length)
      assert.include(yield* (yield* NarratorTest).lines, "Checksum mismatch: deleted, fetching it once more")
    }).pipe(narrated)
  )

  it.scopedLive("always: refused, and nothing stays", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "flip", at: 0, times: always })
      const flipped = Buffer.from(story)
      flipped[0] = (flipped[0] ?? 0) ^ 1
      yield* failsWith(
        hub.fetch(),
        new ChecksumMismatch({ reference, expected_sha256: sha256Of(story), actual_sha256: sha256Of(flipped) })
      )
      assert.deepStrictEqual(hub.files(), [])
    }).pipe(narrated)
  )

  it.scopedLive("a page of HTML in the file's place is refused", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "html", times: always })
      const error = yield* Effect.flip(hub.fetch())
      assert.include(["DownloadFailed", "ChecksumMismatch"], error._tag)
      assert.deepStrictEqual(
        hub.files().filter((path) => path.endsWith(".gguf")),
        []
      )
    }).pipe(narrated)
  )

  it.scopedLive("a file that ends early, with headers that agree, is refused", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "truncate", bytes: 1000, times: always })
      yield* failsWith(
        hub.fetch(),
        new DownloadFailed({ reference, attempts: 6, reason: "the connection ended early" })
      )
      assert.deepStrictEqual(
        hub.files().filter((path) => path.endsWith(".gguf")),
        []
      )
    }).pipe(narrated)
  )
})

describe("a server that wants patience", () => {
  it.scopedLive("429 with Retry-After is waited for as long as it says", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "status", status: 429, headers: { "retry-after": "1" }, on: { host: "cdn" } })
      const [took] = yield* Effect.timed(arrived(hub, story))
      assert.isAtLeast(Duration.toMillis(took), 1000)
      const lines = yield* (yield* NarratorTest).lines
      assert.deepStrictEqual(lines, ["the hub has too many requests of ours (429): attempt 2 of 6 in 1000 ms"])
    }).pipe(narrated)
  )

  it.scopedLive("429 for an hour is a failure that says so, not a wait", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "status", status: 429, headers: { "retry-after": "3600" }, times: always })
      yield* failsWith(
        hub.fetch(),
        new DownloadFailed({ reference, attempts: 1, reason: "the hub has too many requests of ours (429)" })
      )
    }).pipe(narrated)
  )

  it.scopedLive("503 of the hub and 500 of its files are tried again", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "status", status: 503, on: { host: "hub" } })
      hub.server.fault({ _tag: "status", status: 500, on: { host: "cdn" } })
      yield* arrived(hub, story)
    }).pipe(narrated)
  )

  it.scopedLive("503 for good fails after six attempts", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "status", status: 503, times: always })
      yield* failsWith(hub.fetch(), new DownloadFailed({ reference, attempts: 6, reason: "the hub answered 503" }))
    }).pipe(narrated)
  )

  it.scopedLive("no hub at all is named", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      const error = yield* Effect.flip(hub.fetch(reference, { hub: { endpoint: "http://127.0.0.1:1/" } }))
      assert.strictEqual(error._tag === "DownloadFailed" && error.reason, "127.0.0.1:1 refused the connection")
    }).pipe(narrated)
  )
})

describe("a signed address", () => {
  it.scopedLive("that expires in the middle is asked for again; the token stays with the hub", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "expire", after_bytes: 150_000 })
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), story.length)
      const asked = hub.server.requests().filter(({ host, method }) => host === "hub" && method === "HEAD")
      assert.lengthOf(asked, 2)
    }).pipe(narrated)
  )

  it.scopedLive("that is good for one request only is asked for as often", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story }, { signature_uses: 1 })
      for (const after_bytes of [1_000, 100_000, 300_000]) hub.server.fault({ _tag: "cut", after_bytes })
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), story.length)
    }).pipe(narrated)
  )
})

describe("an interruption", () => {
  it.scopedLive("leaves what had come, and the next fetch goes on there", () =>
    Effect.gen(function* () {
      const large = someBytes(4 * mib)
      const hub = yield* testHub({ "story.gguf": large })
      hub.server.fault({ _tag: "slow", bytes_per_second: 8 * mib })
      const first = yield* Effect.fork(hub.fetch())
      yield* untilOnDisk(hub, mib)
      yield* Fiber.interrupt(first)
      assert.lengthOf(hub.files(), 2, hub.files().join(", "))
      const partial = hub.files().find((path) => path.endsWith(".partial")) ?? ""
      const kept = Fs.statSync(Path.join(hub.models, partial)).size
      hub.server.clearFaults()
      hub.server.forget()
      yield* arrived(hub, large)
      assert.strictEqual(hub.server.bytesSent(), large.length - kept)
    }).pipe(narrated)
  )

  it.scopedLive("of which another commit is fetched next does not mix the two", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "stall", after_bytes: 200_000, times: always })
      const first = yield* Effect.fork(hub.fetch(reference, { timeouts: { download_stall: Duration.seconds(30) } }))
      yield* untilOnDisk(hub, 0)
      yield* Fiber.interrupt(first)
      hub.server.clearFaults()
      const other = someBytes(story.length, 5)
      hub.server.setRepo("bees/story", { files: { "story.gguf": { content: other } } })
      const { local_path } = yield* hub.fetch()
      assert.isTrue(Fs.readFileSync(local_path).equals(other))
    }).pipe(narrated)
  )

  it.scopedLive("after the last byte: verified, named, and nothing fetched again", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      const { local_path } = yield* hub.fetch()
      // As kill -9 leaves it between the last write and the rename.
      const leftOver = (content: Buffer) => {
        Fs.rmSync(local_path, { force: true })
        Fs.writeFileSync(`${local_path}.partial`, content)
        const record = { etag: sha256Of(story), size_bytes: story.length, piece_bytes: 8 * mib, pieces: [story.length] }
        Fs.writeFileSync(`${local_path}.partial.json`, JSON.stringify(record))
        hub.server.forget()
      }
      leftOver(story)
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), 0)
      leftOver(someBytes(story.length, 3))
      yield* arrived(hub, story)
      assert.strictEqual(hub.server.bytesSent(), story.length)
    }).pipe(narrated)
  )

  it.scopedLive("whose record is damaged, or is another file's, begins anew", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      const { local_path } = yield* hub.fetch()
      const other = { etag: "other", size_bytes: story.length, piece_bytes: 8 * mib, pieces: [story.length] }
      for (const record of ["{", "[]", JSON.stringify(other)]) {
        Fs.rmSync(local_path)
        Fs.writeFileSync(`${local_path}.partial`, someBytes(10))
        Fs.writeFileSync(`${local_path}.partial.json`, record)
        yield* arrived(hub, story)
      }
    }).pipe(narrated)
  )
})

describe("two who fetch the same at once", () => {
  it.scopedLive("fetch it once", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": story })
      hub.server.fault({ _tag: "slow", bytes_per_second: mib })
      const files = yield* Effect.all([hub.fetch(), hub.fetch(), hub.fetch()], { concurrency: 3 })
      assert.strictEqual(new Set(files.map(({ local_path }) => local_path)).size, 1)
      assert.strictEqual(hub.server.bytesSent(), story.length)
      const lines = yield* (yield* NarratorTest).lines
      assert.lengthOf(
        lines.filter((line) => line.includes("waiting for it")),
        2
      )
    }).pipe(narrated)
  )
})

describe("whatever goes wrong", () => {
  const size = 300_000
  const content = someBytes(size, 4)
  const at = FastCheck.integer({ min: 0, max: size - 1 })
  const fault: FastCheck.Arbitrary<HubFault> = FastCheck.oneof(
    at.map((after_bytes): HubFault => ({ _tag: "cut", after_bytes })),
    at.map((after_bytes): HubFault => ({ _tag: "cut", after_bytes, reset: true })),
    at.map((after_bytes): HubFault => ({ _tag: "stall", after_bytes })),
    at.map((after_bytes): HubFault => ({ _tag: "expire", after_bytes })),
    at.map((flipped): HubFault => ({ _tag: "flip", at: flipped })),
    at.map((bytes): HubFault => ({ _tag: "truncate", bytes })),
    FastCheck.constantFrom(429, 500, 502, 503, 403).map(
      (status): HubFault => ({ _tag: "status", status, on: { host: "cdn" } })
    ),
    FastCheck.constant<HubFault>({ _tag: "ignoreRanges" }),
    FastCheck.integer({ min: 1, max: 100 }).map((shift): HubFault => ({ _tag: "lieAboutRange", shift })),
    FastCheck.constant<HubFault>({ _tag: "html" })
  )

  it.effect.prop(
    "the file is right, or it is not there",
    [FastCheck.array(fault, { maxLength: 6 })],
    ([faults]) =>
      Effect.gen(function* () {
        const hub = yield* testHub({ "story.gguf": content }, { faults })
        const outcome = yield* Effect.either(
          hub.fetch(reference, { timeouts: { download_stall: Duration.millis(100) } })
        )
        const there = hub.files().filter((path) => path.endsWith(".gguf"))
        if (Either.isRight(outcome)) {
          assert.isTrue(Fs.readFileSync(outcome.right.local_path).equals(content))
          assert.lengthOf(hub.files(), 1)
        } else {
          assert.deepStrictEqual(there, [])
        }
      }).pipe(Effect.scoped, narrated, TestServices.provideLive),
    { timeout: 120_000, fastCheck: { numRuns: 20 } }
  )
})
