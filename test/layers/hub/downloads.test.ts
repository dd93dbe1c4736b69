/** What a download comes to when nothing goes wrong, and what it refuses. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { DownloadFailed, ModelAccessDenied, ModelNotFound } from "../../../src/domain/errors/Model.js"
import { NarratorTest } from "../../../src/testing/NarratorTest.js"
import { failsWith } from "../../support/assertFails.js"
import { narrated, sha256Of, someBytes, testHub } from "../../support/hub.js"

const mib = 1024 ** 2
const small = someBytes(200_000)

describe("a download", () => {
  it.scopedLive("arrives whole under its commit's folder, and nothing else stays (MOD-1)", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.Q4_K_M.gguf": small })
      const file = yield* hub.fetch()
      const commit = hub.server.commitOf("bees/story")
      assert.deepStrictEqual(file, {
        provider: "hf",
        reference: "hf:bees/story",
        local_path: Path.join(hub.models, "bees--story", commit, "story.Q4_K_M.gguf"),
        size_bytes: small.length,
        sha256: sha256Of(small)
      })
      assert.deepStrictEqual(Fs.readFileSync(file.local_path), small)
      assert.deepStrictEqual(hub.files(), [`bees--story/${commit}/story.Q4_K_M.gguf`])
      assert.strictEqual(Fs.statSync(file.local_path).mode & 0o777, 0o600)
    }).pipe(narrated)
  )

  it.scopedLive("tells its progress, the end of it last", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": someBytes(3 * mib) })
      hub.server.fault({ _tag: "slow", bytes_per_second: 10 * mib, times: Number.POSITIVE_INFINITY })
      yield* hub.fetch()
      const told = (yield* (yield* NarratorTest).reports).flatMap((report) =>
        report.type === "progress" && report.stage === "downloading" ? [report] : []
      )
      assert.isAtLeast(told.length, 3)
      assert.isAtMost(told.length, 12) // ten a second, for some 300 ms
      assert.strictEqual(told.at(-1)?.bytes_downloaded, 3 * mib)
      assert.isTrue(told.every(({ bytes_total }) => bytes_total === 3 * mib))
      const sizes = told.map(({ bytes_downloaded }) => bytes_downloaded)
      assert.deepStrictEqual(
        sizes,
        [...sizes].sort((a, b) => a - b)
      )
      assert.isTrue(told.some(({ speed_mbps }) => speed_mbps > 1))
    }).pipe(narrated)
  )

  it.scopedLive("by several ranges at a time gives the same bytes (MOD-4)", () =>
    Effect.gen(function* () {
      const large = someBytes(20 * mib + 12_345)
      const hub = yield* testHub({ "story.gguf": large })
      const { local_path } = yield* hub.fetch()
      assert.isTrue(Fs.readFileSync(local_path).equals(large))
      const ranges = hub.server.requests().flatMap(({ host, range }) => (host === "cdn" ? [range] : []))
      assert.sameMembers(ranges, [
        `bytes=0-${8 * mib - 1}`,
        `bytes=${8 * mib}-${16 * mib - 1}`,
        `bytes=${16 * mib}-${large.length - 1}`
      ])
      assert.strictEqual(hub.server.bytesSent(), large.length)
    }).pipe(narrated)
  )

  for (const fault of [
    { _tag: "ignoreRanges", times: Number.POSITIVE_INFINITY },
    { _tag: "lieAboutRange", shift: 7, times: Number.POSITIVE_INFINITY }
  ] as const) {
    it.scopedLive(`from a server that does not give ranges as asked: ${fault._tag} (MOD-5)`, () =>
      Effect.gen(function* () {
        const large = someBytes(9 * mib)
        const hub = yield* testHub({ "story.gguf": large })
        hub.server.fault(fault)
        const { local_path } = yield* hub.fetch()
        assert.isTrue(Fs.readFileSync(local_path).equals(large))
        const lines = yield* (yield* NarratorTest).lines
        assert.isTrue(lines.some((line) => line.startsWith("Fetching it in one piece")))
      }).pipe(narrated)
    )
  }

  it.scopedLive("of a split model fetches all its parts, the first one last named (MOD-6)", () =>
    Effect.gen(function* () {
      const parts = [1, 2, 3].map((n) => [`q8/story-Q8_0-0000${n}-of-00003.gguf`, someBytes(50_000 + n, n)] as const)
      const hub = yield* testHub(Object.fromEntries(parts))
      const { local_path, size_bytes, sha256 } = yield* hub.fetch("hf:bees/story:Q8_0")
      assert.strictEqual(size_bytes, 150_006)
      assert.isNull(sha256)
      assert.match(local_path, /story-Q8_0-00001-of-00003\.gguf$/)
      const commit = hub.server.commitOf("bees/story")
      for (const [path, bytes] of parts) {
        assert.isTrue(Fs.readFileSync(Path.join(hub.models, "bees--story", commit, path)).equals(bytes))
      }
      assert.lengthOf(hub.files(), 3)
    }).pipe(narrated)
  )

  it.scopedLive("of a file that is there already fetches nothing", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": small })
      yield* hub.fetch()
      hub.server.forget()
      yield* hub.fetch("hf:bees/story/story.gguf")
      assert.strictEqual(hub.server.bytesSent(), 0)
    }).pipe(narrated)
  )

  it.scopedLive("of a plain file, which the hub sends itself", () =>
    Effect.gen(function* () {
      const hub = yield* testHub(
        {},
        { repos: { "bees/plain": { files: { "story.gguf": { content: small, lfs: false } } } } }
      )
      const { local_path, sha256 } = yield* hub.fetch("hf:bees/plain")
      assert.isTrue(Fs.readFileSync(local_path).equals(small))
      assert.strictEqual(sha256, sha256Of(small))
    }).pipe(narrated)
  )

  it.scopedLive("of a revision takes that one, and keeps it beside the others", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": small })
      const before = hub.server.commitOf("bees/story")
      const other = someBytes(1000, 9)
      hub.server.setRepo("bees/story", { files: { "story.gguf": { content: other } } })
      const now = yield* hub.fetch()
      const then = yield* hub.fetch(`hf:bees/story@${before}`)
      assert.isTrue(Fs.readFileSync(now.local_path).equals(other))
      assert.isTrue(Fs.readFileSync(then.local_path).equals(small))
    }).pipe(narrated)
  )

  it.scopedLive("does not leave its folder, whatever the server calls its files", () =>
    Effect.gen(function* () {
      const evil = { content: someBytes(10) }
      const hub = yield* testHub(
        {},
        { repos: { "bees/evil": { files: { "../../evil.gguf": evil, "/abs.gguf": evil, "..\\x.gguf": evil } } } }
      )
      yield* failsWith(
        hub.fetch("hf:bees/evil"),
        new ModelNotFound({ reference: "hf:bees/evil", missing: "model", near: [] })
      )
      assert.deepStrictEqual(hub.files(), [])
    }).pipe(narrated)
  )
})

describe("access", () => {
  const token = (secret: string) => ({ hub: { token: Option.some(Redacted.make(secret)) } })
  const gated = (accepted: boolean) =>
    testHub(
      {},
      {
        token: "hf_secret",
        repos: { "bees/gated": { access: "gated", accepted, files: { "story.gguf": { content: small } } } }
      }
    )

  it.scopedLive("no token, a wrong one, and one without a grant are told apart (EH-007b)", () =>
    Effect.gen(function* () {
      const hub = yield* gated(false)
      const reference = "hf:bees/gated"
      const denied = (problem: ModelAccessDenied["problem"]) => new ModelAccessDenied({ reference, problem })
      yield* failsWith(hub.fetch(reference), denied("token_missing"))
      yield* failsWith(hub.fetch(reference, token("hf_wrong")), denied("token_refused"))
      yield* failsWith(hub.fetch(reference, token("hf_secret")), denied("not_granted"))
      assert.strictEqual(hub.server.bytesSent(), 0)
      assert.deepStrictEqual(hub.files(), [])
    }).pipe(narrated)
  )

  it.scopedLive("with the token it works, and no other host ever sees it", () =>
    Effect.gen(function* () {
      const hub = yield* gated(true)
      yield* hub.fetch("hf:bees/gated", token("hf_secret"))
      const seen = (host: string) =>
        hub.server.requests().flatMap((request) => (request.host === host ? [request.authorization] : []))
      assert.isTrue(seen("hub").every((authorization) => authorization === "Bearer hf_secret"))
      assert.isNotEmpty(seen("cdn"))
      assert.isTrue(seen("cdn").every((authorization) => authorization === null))
      const told = JSON.stringify(yield* (yield* NarratorTest).reports)
      assert.notInclude(told, "hf_secret")
      assert.notInclude(told, "sig=")
    }).pipe(narrated)
  )

  it.scopedLive("the token of a login's file is read when it is needed", () =>
    Effect.gen(function* () {
      const hub = yield* gated(true)
      const token_file = Path.join(Path.dirname(hub.models), "token")
      Fs.writeFileSync(token_file, "hf_secret\n")
      yield* hub.fetch("hf:bees/gated", { hub: { token_file } })
    }).pipe(narrated)
  )

  it.scopedLive("a missing repository, revision and file are told apart (EH-007a)", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.Q4_0.gguf": small, "story.Q8_0.gguf": small })
      const missing = (reference: string, what: ModelNotFound["missing"], near: ReadonlyArray<string> = []) =>
        failsWith(hub.fetch(reference), new ModelNotFound({ reference, missing: what, near }))
      yield* missing("hf:bees/none", "repository")
      yield* missing("hf:bees/story@v2", "revision")
      const near = ["hf:bees/story/story.Q4_0.gguf", "hf:bees/story/story.Q8_0.gguf"]
      yield* missing("hf:bees/story/other.gguf", "file", near)
      yield* missing("hf:bees/story:Q5_K_M", "model", near)
    }).pipe(narrated)
  )

  it.scopedLive("a hub that answers nonsense is a failed download with its status", () =>
    Effect.gen(function* () {
      const hub = yield* testHub({ "story.gguf": small })
      hub.server.fault({ _tag: "status", status: 418, on: { host: "hub" } })
      yield* failsWith(
        hub.fetch(),
        new DownloadFailed({ reference: "hf:bees/story", attempts: 1, reason: "the hub answered 418" })
      )
    }).pipe(narrated)
  )
})
