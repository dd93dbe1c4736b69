/** The hub on this machine answers as the real one does, and goes wrong exactly where it is told to. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Http from "node:http"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type HubFault, type HubOptions, type HubRequest, hubServer } from "../../src/testing/hub/HubServer.js"
import { soon } from "../support/tcp.js"

const size = 300_000
const bytes = Buffer.from(Array.from({ length: size }, (_, n) => (n * 7 + (n >> 8)) % 256))
const sha256 = createHash("sha256").update(bytes).digest("hex")
const config = Buffer.from(`{"a":1}`)
const token = "hf_opensesame"
const files = { "a.gguf": { content: bytes }, "config.json": { content: config, lfs: false } }
const options: HubOptions = { repos: { "org/repo": { files } }, token }

interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Buffer
  /** How the connection broke, or null. */
  readonly error: string | null
}

interface Asking {
  readonly method?: string
  readonly headers?: Http.OutgoingHttpHeaders
  /** After how many bytes of the body to look no further. */
  readonly enough?: number
}

/** Asks once, without following; the answer is what came until its end, or until it broke. */
const ask = (url: string, { method = "GET", headers = {}, enough = Number.POSITIVE_INFINITY }: Asking = {}) =>
  Effect.async<Answer, Error>((resume) => {
    const chunks: Array<Buffer> = []
    // `path` as it stands: a URL would lose the dots of a path
    const { origin, hostname, port } = new URL(url)
    const request = Http.request({ method, headers, hostname, port, path: url.slice(origin.length), agent: false })
    request.on("error", (error) => resume(Effect.fail(error)))
    request.on("response", (response) => {
      const done = (error: string | null) => {
        const { headers, statusCode = 0 } = response
        resume(Effect.succeed({ status: statusCode, headers, body: Buffer.concat(chunks), error }))
        request.destroy()
      }
      response.on("data", (chunk: Buffer) => {
        chunks.push(chunk)
        if (Buffer.concat(chunks).length >= enough) done("enough")
      })
      response.on("end", () => done(null))
      response.on("error", (error) => done("code" in error ? String(error.code) : error.message))
      if (enough === 0) done("enough")
    })
    request.end()
    return Effect.sync(() => void request.destroy())
  }).pipe(soon)

const range = (from: number, to: number | "" = "") => ({ headers: { range: `bytes=${from}-${to}` } })
const auth = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` } })

/** A hub, and a signed address of `a.gguf` by it. */
const withFile = (...faults: ReadonlyArray<HubFault>) =>
  Effect.gen(function* () {
    const hub = yield* hubServer(options)
    const resolve = Effect.map(ask(`${hub.url}/org/repo/resolve/main/a.gguf`), ({ headers }) => headers.location ?? "")
    const location = yield* resolve
    hub.forget()
    faults.forEach(hub.fault)
    return { hub, location, resolve }
  })

/** The entry of the last request to the CDN. */
const last = (requests: ReadonlyArray<HubRequest>): HubRequest | undefined =>
  requests.filter(({ host }) => host === "cdn").at(-1)

describe("the API", () => {
  it.scopedLive("lists a repository, at any of its revisions", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer({ repos: { "org/repo": { files, revisions: ["v1", "refs/pr/1"] } } })
      const sha = hub.commitOf("org/repo")
      assert.match(sha, /^[0-9a-f]{40}$/)
      const lfs = { sha256, size, pointerSize: 131 }
      for (const at of ["", "/revision/main", "/revision/v1", "/revision/refs%2Fpr%2F1", `/revision/${sha}`]) {
        const { status, body, headers } = yield* ask(`${hub.url}/api/models/org/repo${at}?blobs=true`)
        assert.strictEqual(status, 200)
        assert.include(headers["content-type"], "application/json")
        assert.deepStrictEqual(JSON.parse(body.toString()), {
          id: "org/repo",
          sha,
          private: false,
          gated: false,
          siblings: [
            { rfilename: "a.gguf", size, lfs },
            { rfilename: "config.json", size: config.length }
          ]
        })
      }
      const { body } = yield* ask(`${hub.url}/api/models/org/repo`)
      assert.deepStrictEqual(JSON.parse(body.toString()).siblings, [
        { rfilename: "a.gguf" },
        { rfilename: "config.json" }
      ])
    })
  )

  it.scopedLive("answers plain fetch, which follows to the CDN", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer(options)
      const body = yield* Effect.promise(() =>
        fetch(`${hub.url}/org/repo/resolve/main/a.gguf`).then((answer) => answer.arrayBuffer())
      )
      assert.isTrue(Buffer.from(body).equals(bytes))
    })
  )

  it.scopedLive("names what is refused", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer({
        token,
        repos: {
          "org/open": { files },
          "org/gated": { files, access: "gated" },
          "org/closed": { files, access: "gated", accepted: false },
          "org/private": { files, access: "private" }
        }
      })
      const refused: ReadonlyArray<
        readonly [path: string, bearer: string | null, status: number, code: string | undefined]
      > = [
        ["/api/models/org/none", null, 401, "RepoNotFound"],
        ["/org/none/resolve/main/a.gguf", null, 401, "RepoNotFound"],
        ["/org/none/resolve/main/a.gguf", token, 404, "RepoNotFound"],
        ["/api/models/org/open", "hf_wrong", 401, undefined],
        ["/org/open/resolve/main/a.gguf", "hf_wrong", 401, undefined],
        ["/api/models/org/private", null, 401, "RepoNotFound"],
        ["/org/private/resolve/main/a.gguf", null, 401, "RepoNotFound"],
        ["/org/gated/resolve/main/a.gguf", null, 401, "GatedRepo"],
        ["/org/closed/resolve/main/a.gguf", null, 401, "GatedRepo"],
        ["/org/closed/resolve/main/a.gguf", token, 403, "GatedRepo"],
        ["/api/models/org/open/revision/v9", null, 404, "RevisionNotFound"],
        ["/org/open/resolve/v9/a.gguf", null, 404, "RevisionNotFound"],
        ["/org/open/resolve/main/b.gguf", null, 404, "EntryNotFound"],
        ["/org/open/resolve/main", null, 404, undefined],
        ["/%zz", null, 404, undefined]
      ]
      for (const [path, bearer, status, code] of refused) {
        const answer = yield* ask(`${hub.url}${path}`, bearer === null ? {} : auth(bearer))
        assert.deepStrictEqual([path, answer.status, answer.headers["x-error-code"]], [path, status, code])
        assert.isString(JSON.parse(answer.body.toString()).error)
      }
      const open: ReadonlyArray<readonly [path: string, bearer: string | null, status: number]> = [
        ["/api/models/org/gated", null, 200],
        ["/api/models/org/closed", null, 200],
        ["/org/gated/resolve/main/a.gguf", token, 302],
        ["/api/models/org/private", token, 200],
        ["/org/private/resolve/main/a.gguf", token, 302],
        ["/org/open/resolve/main/a.gguf", token, 302]
      ]
      for (const [path, bearer, status] of open) {
        const answer = yield* ask(`${hub.url}${path}`, bearer === null ? {} : auth(bearer))
        assert.deepStrictEqual([path, answer.status], [path, status])
      }
      assert.strictEqual((yield* ask(`${hub.url}/org/open/resolve/main/a.gguf`, { method: "POST" })).status, 405)
    })
  )

  it.scopedLive("has a new commit for new contents, and the old one for whoever pinned it", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer(options)
      const before = hub.commitOf("org/repo")
      hub.setRepo("org/repo", { files })
      assert.strictEqual(hub.commitOf("org/repo"), before)
      hub.setRepo("org/repo", { files: { "a.gguf": { content: Buffer.from("new") } } })
      assert.notStrictEqual(hub.commitOf("org/repo"), before)
      const size_at = (revision: string) =>
        Effect.map(
          ask(`${hub.url}/org/repo/resolve/${revision}/a.gguf`, { method: "HEAD" }),
          ({ headers }) => headers["x-linked-size"]
        )
      assert.strictEqual(yield* size_at("main"), "3")
      assert.strictEqual(yield* size_at(before), `${size}`)
    })
  )
})

describe("files", () => {
  it.scopedLive("in large file storage are with another host, for a signature", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer(options)
      assert.notStrictEqual(new URL(hub.cdnUrl).host, new URL(hub.url).host)
      const signed = new Set<string>()
      for (const method of ["GET", "HEAD"]) {
        const { status, headers } = yield* ask(`${hub.url}/org/repo/resolve/main/a.gguf`, { method })
        assert.strictEqual(status, 302)
        assert.strictEqual(headers["x-repo-commit"], hub.commitOf("org/repo"))
        assert.strictEqual(headers["x-linked-etag"], `"${sha256}"`)
        assert.strictEqual(headers["x-linked-size"], `${size}`)
        assert.match(headers.location ?? "", new RegExp(`^${hub.cdnUrl}/${sha256}\\?sig=\\w+$`))
        signed.add(headers.location ?? "")
      }
      assert.lengthOf([...signed], 2)
      assert.strictEqual(hub.bytesSent(), 0)
      for (const url of [`${hub.cdnUrl}/${sha256}`, `${hub.cdnUrl}/${sha256}?sig=x`, `${[...signed][0]}0`]) {
        assert.strictEqual((yield* ask(url)).status, 403)
      }
      assert.strictEqual((yield* ask(`${[...signed][0]?.replace(sha256, "0".repeat(64))}`)).status, 403)
    })
  )

  it.scopedLive("come whole or by ranges", () =>
    Effect.gen(function* () {
      const { hub, location } = yield* withFile()
      const whole = yield* ask(location)
      assert.strictEqual(whole.status, 200)
      assert.strictEqual(whole.headers["accept-ranges"], "bytes")
      assert.strictEqual(whole.headers.etag, `"${sha256}"`)
      assert.isTrue(whole.body.equals(bytes))
      assert.strictEqual(hub.bytesSent(), size)
      const ranges: ReadonlyArray<readonly [asked: string, from: number, to: number]> = [
        ["bytes=0-0", 0, 0],
        ["bytes=10-19", 10, 19],
        ["bytes=299990-", 299_990, 299_999],
        ["bytes=299999-400000", 299_999, 299_999]
      ]
      for (const [asked, from, to] of ranges) {
        const { status, headers, body } = yield* ask(location, { headers: { range: asked } })
        assert.strictEqual(status, 206)
        assert.strictEqual(headers["content-range"], `bytes ${from}-${to}/${size}`)
        assert.strictEqual(headers["content-length"], `${to - from + 1}`)
        assert.isTrue(body.equals(bytes.subarray(from, to + 1)))
      }
      const beyond = yield* ask(location, range(size))
      assert.strictEqual(beyond.status, 416)
      assert.strictEqual(beyond.headers["content-range"], `bytes */${size}`)
      for (const asked of ["bytes=5-4", "bytes=-5", "bytes=0-1,4-5", "lines=0-1"]) {
        assert.strictEqual((yield* ask(location, { headers: { range: asked } })).status, 200, asked)
      }
      const conditional = (etag: string) => ask(location, { headers: { range: "bytes=0-0", "if-range": etag } })
      assert.strictEqual((yield* conditional(`"${sha256}"`)).status, 206)
      assert.strictEqual((yield* conditional(`"another"`)).status, 200)
      const head = yield* ask(location, { method: "HEAD" })
      assert.deepStrictEqual([head.status, head.headers["content-length"], head.body.length], [200, `${size}`, 0])
    })
  )

  it.scopedLive("in git come from the hub itself", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer(options)
      const url = `${hub.url}/org/repo/resolve/main/config.json`
      const { status, headers, body } = yield* ask(url)
      assert.strictEqual(status, 200)
      assert.strictEqual(body.toString(), `{"a":1}`)
      assert.strictEqual(headers["x-repo-commit"], hub.commitOf("org/repo"))
      // echo -n '{"a":1}' | git hash-object --stdin
      assert.strictEqual(headers.etag, `"daa5053ecf5f9a37b2de733d0751cc1ab53ac010"`)
      assert.strictEqual((yield* ask(url, range(1, 3))).body.toString(), `"a"`)
      assert.strictEqual((yield* ask(url, { method: "HEAD" })).status, 200)
      assert.strictEqual(hub.bytesSent(), config.length + 3)
    })
  )

  it.scopedLive("may be on disk, deep in folders, empty, or named to do harm", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-hub-"))),
        (made) => Effect.promise(() => Fs.rm(made, { recursive: true }))
      )
      const big = Buffer.alloc(2_500_000, bytes)
      const path = Path.join(folder, "big")
      yield* Effect.promise(() => Fs.writeFile(path, big))
      const hub = yield* hubServer({
        repos: {
          "org/repo": {
            files: {
              "x/a b/big.gguf": { content: { path } },
              empty: { content: Buffer.of(), lfs: false },
              "../../evil.gguf": { content: Buffer.from("evil"), lfs: false }
            }
          }
        }
      })
      const resolve = (name: string) => ask(`${hub.url}/org/repo/resolve/main/${name}`)
      const { headers } = yield* resolve("x/a%20b/big.gguf")
      assert.strictEqual(headers["x-linked-etag"], `"${createHash("sha256").update(big).digest("hex")}"`)
      const { location = "" } = headers
      assert.isTrue((yield* ask(location)).body.equals(big))
      assert.isTrue((yield* ask(location, range(5, 1_500_000))).body.equals(big.subarray(5, 1_500_001)))
      hub.fault({ _tag: "cut", after_bytes: 2_000_001 })
      assert.isTrue((yield* ask(location, range(7))).body.equals(big.subarray(7, 2_000_001)))
      hub.fault({ _tag: "flip", at: 1_048_576 })
      assert.strictEqual((yield* ask(location)).body[1_048_576], (big[1_048_576] ?? 0) ^ 1)
      assert.strictEqual((yield* resolve("empty")).headers["content-length"], "0")
      assert.strictEqual((yield* resolve("../../evil.gguf")).body.toString(), "evil")
      assert.strictEqual((yield* resolve("..%2F..%2Fevil.gguf")).body.toString(), "evil")
      yield* Effect.promise(() => Fs.rm(path))
      assert.strictEqual((yield* Effect.flip(ask(location))).message, "socket hang up")
    })
  )

  it.scopedLive("are signed for so many requests", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer({ ...options, signature_uses: 2 })
      const { headers } = yield* ask(`${hub.url}/org/repo/resolve/main/a.gguf`)
      const statuses = yield* Effect.replicateEffect(ask(headers.location ?? "", range(0, 0)), 3)
      assert.deepStrictEqual(
        statuses.map(({ status }) => status),
        [206, 206, 403]
      )
    })
  )
})

it.scopedLive("the journal has every request of both hosts", () =>
  Effect.gen(function* () {
    const hub = yield* hubServer(options)
    const { headers } = yield* ask(`${hub.url}/org/repo/resolve/main/a.gguf?download=true`, auth(token))
    yield* ask(headers.location ?? "", { headers: { range: "bytes=5-9", "X-Mine": "1" } })
    const [first, second] = hub.requests()
    assert.deepInclude(first, {
      host: "hub",
      method: "GET",
      path: "/org/repo/resolve/main/a.gguf",
      query: "?download=true",
      range: null,
      authorization: `Bearer ${token}`,
      status: 302,
      sent_bytes: 0
    })
    assert.deepInclude(second, {
      host: "cdn",
      path: `/${sha256}`,
      range: "bytes=5-9",
      authorization: null,
      status: 206,
      sent_bytes: 5
    })
    assert.strictEqual(second?.headers["x-mine"], "1")
    assert.strictEqual(hub.bytesSent(), 5)
    hub.forget()
    assert.lengthOf(hub.requests(), 0)
    assert.strictEqual(hub.bytesSent(), 0)
  })
)

it.live("the end of the scope ends every connection, and frees the ports", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const { location } = yield* Scope.extend(withFile({ _tag: "stall", after_bytes: 10, times: 2 }), scope)
    const stalled = yield* Effect.fork(ask(location))
    yield* Effect.yieldNow()
    // asked second, so that both are stalled once it has its bytes
    yield* ask(location, { enough: 10 })
    yield* Scope.close(scope, Exit.void)
    const { body, error } = yield* stalled
    assert.deepStrictEqual([body.length, error], [10, "ECONNRESET"])
    assert.include((yield* Effect.flip(ask(location))).message, "ECONNREFUSED")
  })
)

describe("faults", () => {
  it.scopedLive("cut: exactly so many bytes arrive, once", () =>
    Effect.gen(function* () {
      const { hub, location } = yield* withFile()
      for (const after_bytes of [0, 1, 65_536, size - 1]) {
        hub.fault({ _tag: "cut", after_bytes })
        const cut = yield* ask(location)
        assert.deepStrictEqual([cut.status, cut.body.length, cut.error], [200, after_bytes, "ECONNRESET"])
        assert.isTrue(cut.body.equals(bytes.subarray(0, after_bytes)))
        assert.strictEqual(last(hub.requests())?.sent_bytes, after_bytes)
        assert.isNull((yield* ask(location)).error)
      }
    })
  )

  it.scopedLive("cut: only by the range that its offset lies in", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "cut", after_bytes: 1000 })
      assert.isNull((yield* ask(location, range(0, 999))).error)
      assert.isNull((yield* ask(location, range(1001))).error)
      assert.strictEqual((yield* ask(location, range(1000))).body.length, 0)
      assert.isNull((yield* ask(location)).error)
    })
  )

  it.scopedLive("cut: of many ranges at a time, one", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "cut", after_bytes: 1000 })
      const all = yield* Effect.all(
        Array.from({ length: 8 }, () => ask(location)),
        {
          concurrency: "unbounded"
        }
      )
      assert.lengthOf(
        all.filter(({ error }) => error !== null),
        1
      )
    })
  )

  it.scopedLive("cut: with a reset", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "cut", after_bytes: 100, reset: true })
      const { body, error } = yield* ask(location).pipe(
        Effect.catchAll(({ message }) => Effect.succeed({ body: Buffer.of(), error: message }))
      )
      assert.isAtMost(body.length, 100)
      assert.include(error, "ECONNRESET")
    })
  )

  it.scopedLive("stall: nothing more comes, and the connection stays", () =>
    Effect.gen(function* () {
      for (const after_bytes of [0, 1000]) {
        const { hub, location } = yield* withFile({ _tag: "stall", after_bytes })
        const { body, error } = yield* ask(location, { enough: after_bytes })
        assert.deepStrictEqual([body.length, error], [after_bytes, "enough"])
        assert.strictEqual(last(hub.requests())?.sent_bytes, after_bytes)
        assert.isNull((yield* ask(location)).error)
      }
    })
  )

  it.scopedLive("what stalls can be cut", () =>
    Effect.gen(function* () {
      const { hub, location } = yield* withFile({ _tag: "stall", after_bytes: 1000 })
      const asking = yield* Effect.fork(ask(location))
      yield* soon(Effect.repeat(Effect.sleep("1 millis"), { until: () => hub.bytesSent() === 1000 }))
      hub.cutAll()
      assert.isNotNull((yield* asking).error)
      assert.isNull((yield* ask(location)).error)
    })
  )

  it.scopedLive("flip: one bit, and of the copy that is sent", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "flip", at: 1000 })
      assert.isTrue((yield* ask(location, range(0, 999))).body.equals(bytes.subarray(0, 1000)))
      const { body } = yield* ask(location, range(500))
      const expected = Buffer.from(bytes)
      expected[1000] = (expected[1000] ?? 0) ^ 1
      assert.isTrue(body.equals(expected.subarray(500)))
      assert.isTrue((yield* ask(location)).body.equals(bytes))
    })
  )

  it.scopedLive("expire: the signature is worth nothing more, a new one is", () =>
    Effect.gen(function* () {
      const { location, resolve } = yield* withFile({ _tag: "expire" })
      assert.strictEqual((yield* ask(location)).status, 403)
      assert.strictEqual((yield* ask(location)).status, 403)
      assert.strictEqual((yield* ask(yield* resolve)).status, 200)
    })
  )

  it.scopedLive("expire: under way", () =>
    Effect.gen(function* () {
      const { location, resolve } = yield* withFile({ _tag: "expire", after_bytes: 1000 })
      const cut = yield* ask(location)
      assert.deepStrictEqual([cut.status, cut.body.length, cut.error], [200, 1000, "ECONNRESET"])
      assert.strictEqual((yield* ask(location, range(1000))).status, 403)
      assert.strictEqual((yield* ask(yield* resolve, range(1000))).body.length, size - 1000)
    })
  )

  it.scopedLive("status: one after the other, to whom it concerns", () =>
    Effect.gen(function* () {
      const { hub, location } = yield* withFile(
        { _tag: "status", status: 429, headers: { "retry-after": "7" }, body: "slow down", on: { host: "hub" } },
        { _tag: "status", status: 503, on: { path: /a\.gguf$/g }, times: 2 },
        { _tag: "status", status: 500, on: { path: "nowhere" } }
      )
      const api = `${hub.url}/api/models/org/repo`
      const busy = yield* ask(api)
      assert.deepStrictEqual([busy.status, busy.headers["retry-after"], `${busy.body}`], [429, "7", "slow down"])
      assert.strictEqual((yield* ask(api)).status, 200)
      // a file has its name on the CDN too
      assert.strictEqual((yield* ask(location)).status, 503)
      assert.strictEqual((yield* ask(`${hub.url}/org/repo/resolve/main/a.gguf`, { method: "HEAD" })).status, 503)
      assert.strictEqual((yield* ask(location)).status, 200)
    })
  )

  it.scopedLive("ignoreRanges: the whole file", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "ignoreRanges" })
      assert.strictEqual((yield* ask(location)).status, 200)
      const { status, body } = yield* ask(location, range(5, 9))
      assert.deepStrictEqual([status, body.length], [200, size])
      assert.strictEqual((yield* ask(location, range(5, 9))).status, 206)
    })
  )

  it.scopedLive("lieAboutRange: another beginning", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "lieAboutRange", shift: 2 })
      const { headers, body } = yield* ask(location, range(5, 9))
      assert.strictEqual(headers["content-range"], `bytes 7-9/${size}`)
      assert.isTrue(body.equals(bytes.subarray(5, 10)))
    })
  )

  it.scopedLive("html: a page instead", () =>
    Effect.gen(function* () {
      const { hub, location } = yield* withFile({ _tag: "html" })
      const { status, headers, body } = yield* ask(location, range(5))
      assert.deepStrictEqual([status, headers["content-type"]], [200, "text/html"])
      assert.include(body.toString(), "<!doctype html>")
      assert.strictEqual(hub.bytesSent(), 0)
      assert.strictEqual((yield* ask(location)).headers["content-type"], "application/octet-stream")
    })
  )

  it.scopedLive("truncate: a shorter file", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "truncate", bytes: 100, times: Number.POSITIVE_INFINITY })
      const whole = yield* ask(location)
      assert.deepStrictEqual([whole.headers["content-length"], whole.body.length], ["100", 100])
      assert.strictEqual((yield* ask(location, range(50))).headers["content-range"], "bytes 50-99/100")
      assert.strictEqual((yield* ask(location, range(100))).headers["content-range"], "bytes */100")
    })
  )

  it.scopedLive("slow: at that pace", () =>
    Effect.gen(function* () {
      const { location } = yield* withFile({ _tag: "slow", bytes_per_second: 1_000_000 })
      const [took, { body }] = yield* Effect.timed(ask(location))
      assert.isTrue(body.equals(bytes))
      assert.isAtLeast(Duration.toMillis(took), 200)
    })
  )

  it.scopedLive("names: files that there are not", () =>
    Effect.gen(function* () {
      const { hub } = yield* withFile({ _tag: "names", names: ["../../evil.gguf"] })
      const names = Effect.map(ask(`${hub.url}/api/models/org/repo?blobs=true`), ({ body }) =>
        JSON.parse(body.toString()).siblings.map(({ rfilename }: { rfilename: string }) => rfilename)
      )
      assert.deepStrictEqual(yield* names, ["a.gguf", "config.json", "../../evil.gguf"])
      assert.deepStrictEqual(yield* names, ["a.gguf", "config.json"])
    })
  )

  it.scopedLive("are none once cleared; those of the hub's own begin with it", () =>
    Effect.gen(function* () {
      const hub = yield* hubServer({ ...options, faults: [{ _tag: "status", status: 500, times: 9 }] })
      assert.strictEqual((yield* ask(hub.url)).status, 500)
      hub.clearFaults()
      assert.strictEqual((yield* ask(hub.url)).status, 404)
    })
  )

  it.scopedLive("keep a client's leaving from being a fault of their own", () =>
    Effect.gen(function* () {
      const { hub, location } = yield* withFile(
        { _tag: "slow", bytes_per_second: 100_000 },
        { _tag: "cut", after_bytes: size - 1 }
      )
      yield* ask(location, { enough: 1 })
      assert.isBelow(last(hub.requests())?.sent_bytes ?? size, size)
      assert.strictEqual((yield* ask(location)).body.length, size - 1)
    })
  )
})
