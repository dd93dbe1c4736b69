/** The hive's endpoints for models and plans, over real HTTP, with a node of doubles behind them. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { assert, describe, it } from "@effect/vitest"
import * as Chunk from "effect/Chunk"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/TestClock"
import { HiveApi } from "../../src/api/HiveApi.js"
import { StopLive } from "../../src/daemons/daemon.js"
import { BinariesHandlers } from "../../src/daemons/hive/binaries.js"
import { CallbackUrlLive } from "../../src/daemons/hive/callback.js"
import { EndingLive } from "../../src/daemons/hive/ending.js"
import { NodeHandlers, OpenHandlers, WorkersHandlers } from "../../src/daemons/hive/handlers.js"
import { leasesLive } from "../../src/daemons/hive/leases.js"
import { ModelsHandlers } from "../../src/daemons/hive/models.js"
import { SpawnsLive } from "../../src/daemons/hive/spawns.js"
import { SupervisorLive } from "../../src/daemons/hive/supervisor.js"
import { HiveUnreachable } from "../../src/domain/errors/Hive.js"
import type { RbeeError } from "../../src/domain/errors/index.js"
import { DownloadFailed, ModelInUse, ModelNotFound } from "../../src/domain/errors/Model.js"
import { InsufficientRam } from "../../src/domain/errors/Resource.js"
import { DownloadProgress } from "../../src/domain/Narration.js"
import { authLive } from "../../src/layers/http/AuthLive.js"
import { Drain, DrainLive } from "../../src/layers/http/Drain.js"
import { guarded } from "../../src/layers/http/Edge.js"
import { HiveClientHttp } from "../../src/layers/http/HiveClientHttp.js"
import { serve } from "../../src/layers/http/HttpServerLive.js"
import { DownloadsMemory } from "../../src/layers/memory/DownloadsMemory.js"
import { HiveClient } from "../../src/services/HiveClient.js"
import { ModelHub } from "../../src/services/ModelHub.js"
import { report } from "../../src/services/Narrator.js"
import { ModelCatalogTest } from "../../src/testing/ModelCatalogTest.js"
import { testGguf } from "../../src/testing/ModelFilesTest.js"
import { ModelHubTest } from "../../src/testing/ModelHubTest.js"
import { TestRbee, type TestServices, type TestWorld } from "../../src/testing/TestRbee.js"
import { assertFails, failsWith } from "../support/assertFails.js"
import { type Asked, askAt, eventsIn, isRefusal, onFreePort, serverKey, wantsEvents } from "../support/http.js"
import { hiveAddress, hosted, modelEntry, ref, spawnRequest } from "../support/samples.js"

/** Where the hive under test is. */
class Hive extends Context.Tag("test/Hive")<Hive, { readonly port: number }>() {}

const hive = (world: Layer.Layer<TestServices>) =>
  Layer.unwrapScoped(
    Effect.map(onFreePort, ({ options, port }) => {
      const graph = serve(options).pipe(
        Layer.provide(HttpApiBuilder.api(HiveApi)),
        Layer.provide([
          OpenHandlers,
          NodeHandlers,
          WorkersHandlers,
          BinariesHandlers,
          ModelsHandlers,
          HttpApiBuilder.middleware(HiveApi, guarded)
        ]),
        Layer.provide([authLive("rbee-hive", Effect.succeedSome(serverKey)), SpawnsLive]),
        Layer.provide([SupervisorLive, EndingLive, leasesLive(false), CallbackUrlLive]),
        Layer.provideMerge(Layer.mergeAll(DrainLive, StopLive, DownloadsMemory)),
        Layer.provideMerge(world)
      )
      return Layer.provideMerge(
        Layer.effect(
          Hive,
          Effect.map(port, (port) => ({ port }))
        ),
        graph
      )
    })
  ).pipe(Layer.orDie, Layer.provide(Logger.minimumLogLevel(LogLevel.None)))

/** Runs a test with a hive on such a node. */
const withHive =
  (given: TestWorld = {}) =>
  <A, E>(test: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof hive>>>): Effect.Effect<A, E> =>
    Effect.provide(test, hive(TestRbee.with(given)))

const ask = (path: string, asked?: Asked) => Effect.flatMap(Hive, ({ port }) => askAt(port)(path, asked))
const download = (model: unknown, headers: Readonly<Record<string, string>> = {}) =>
  ask("/v1/models/download", { method: "POST", body: { model }, headers })
const begin = Effect.map(download("hf:org/repo"), (answer): { download_id: string; local_path: string } => {
  assert.strictEqual(answer.status, 202, answer.text)
  return JSON.parse(answer.text)
})
const progressOf = (id: string, asked?: Asked) =>
  ask(`/v1/models/download/progress?id=${encodeURIComponent(id)}`, asked)
const cancel = (id: string) => ask(`/v1/models/download/${encodeURIComponent(id)}`, { method: "DELETE" })
const info = (reference: string) => ask(`/v1/models?reference=${encodeURIComponent(reference)}`)
const remove = (reference: string) => ask(`/v1/models?reference=${encodeURIComponent(reference)}`, { method: "DELETE" })
const list = (query = "") =>
  Effect.map(ask(`/v1/models/list${query}`), (answer): ReadonlyArray<unknown> => {
    assert.strictEqual(answer.status, 200, answer.text)
    return JSON.parse(answer.text).models
  })

const hubJournal = Effect.flatMap(ModelHubTest, ({ journal }) => journal)
const tags = Effect.map(hubJournal, (events) => events.map(({ _tag }) => _tag))

const local_path = "/models/m.Q4_K_M.gguf"
const hub = { "hf:org/repo": { size_bytes: 4e6, file_name: "m.Q4_K_M.gguf", takes: 4000 } }
const fetched = {
  ...{ provider: "hf", reference: "hf:org/repo", local_path, size_bytes: 4e6, sha256: "0".repeat(64) },
  ...{ quantization: "Q4_K_M", downloaded_at_unix: 4 }
}

describe("POST /v1/models/download", () => {
  it.effect("answers 202 at once; the download goes on by itself, and is told of to its end (MOD-1)", () =>
    Effect.gen(function* () {
      const { download_id, ...rest } = yield* begin
      assert.deepStrictEqual(rest, { local_path })
      assert.deepStrictEqual(yield* list(), [])
      yield* TestClock.adjust("4 seconds")
      const [model] = yield* list()
      assert.deepInclude(model, fetched)
      for (const _ of [1, 2]) {
        const end = { type: "complete", stage: "complete", local_path, model }
        assert.deepStrictEqual(eventsIn(yield* progressOf(download_id)), [end])
      }
    }).pipe(withHive({ hub }))
  )

  it.effect("with events: what it says, its figures, its end (MOD-1)", () =>
    Effect.gen(function* () {
      const asking = yield* Effect.fork(download("hf:org/repo", wantsEvents))
      yield* Effect.repeat(Effect.zipLeft(tags, TestClock.adjust("1 second")), { until: (all) => all.includes("done") })
      const events = eventsIn(yield* Fiber.join(asking))
      assert.deepStrictEqual(
        events.filter(({ type }) => type === "progress"),
        [1e6, 2e6, 3e6, 4e6].map((bytes_downloaded) => ({
          ...{ type: "progress", stage: "downloading", bytes_downloaded, bytes_total: 4e6, speed_mbps: 10 }
        }))
      )
      assert.deepInclude(events.at(-1), { type: "complete", stage: "complete", local_path })
      assert.deepStrictEqual(
        events.flatMap(({ human }) => (human === undefined ? [] : [String(human).replace(/ in \d+s$/, "")])),
        [
          "Model hf:org/repo is not in the catalog",
          "Looking for hf:org/repo on the hub",
          "Downloading m.Q4_K_M.gguf (4.0 MB)",
          "Downloaded and verified 4.0 MB",
          "Model hf:org/repo is now in the catalog (4.0 MB)"
        ]
      )
    }).pipe(withHive({ hub }))
  )

  it.effect("the same model twice at once is one download with two listeners", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* begin, yield* begin]
      assert.notStrictEqual(one.download_id, other.download_id)
      yield* TestClock.adjust("4 seconds")
      assert.deepStrictEqual(yield* tags, ["begun", "done"])
      assert.deepStrictEqual(
        eventsIn(yield* progressOf(one.download_id)),
        eventsIn(yield* progressOf(other.download_id))
      )
    }).pipe(withHive({ hub }))
  )

  it.effect("what is there already is there at once (CAT-1)", () =>
    Effect.gen(function* () {
      const { download_id, local_path } = yield* begin
      assert.strictEqual(local_path, "/models/here.gguf")
      assert.deepInclude(eventsIn(yield* progressOf(download_id)).at(-1), { stage: "complete", local_path })
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(
      withHive({ models: [modelEntry({ reference: "hf:org/repo", provider: "hf", local_path: "/models/here.gguf" })] })
    )
  )

  it.effect("what cannot be begun is refused in the envelope, by its own status", () =>
    Effect.gen(function* () {
      isRefusal(yield* download("hf:org/other"), [404, "MODEL_NOT_FOUND"])
      isRefusal(yield* download("hf:org/repo"), [507, "INSUFFICIENT_DISK"])
      isRefusal(yield* download("file:///srv/notes.gguf"), [400, "INVALID_MODEL_FILE"])
      const { message } = isRefusal(yield* download("hf:../c4n4ry"), [400, "INVALID_REQUEST"])
      assert.include(message, "model: ")
      assert.notInclude(message, "c4n4ry")
      isRefusal(yield* ask("/v1/models/download", { method: "POST", body: {} }), [400, "INVALID_REQUEST"])
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(withHive({ hub, disk_free_mb: 1, files: { "/srv/notes.gguf": { size_bytes: 9, gguf: false } } }))
  )

  it.effect("with events a failure is the last of them", () =>
    Effect.gen(function* () {
      const events = eventsIn(yield* download("hf:org/none", wantsEvents))
      const { type, error } = events.at(-1) ?? {}
      assert.strictEqual(type, "error")
      assert.deepInclude(error, { code: "MODEL_NOT_FOUND" })
    }).pipe(withHive({ hub }))
  )

  it.effect("a download that fails on its way is told of to whoever follows it, also afterwards", () =>
    Effect.gen(function* () {
      const { download_id } = yield* begin
      yield* TestClock.adjust("4 seconds")
      for (const _ of [1, 2]) {
        const { type, error } = eventsIn(yield* progressOf(download_id)).at(-1) ?? {}
        assert.strictEqual(type, "error")
        assert.deepInclude(error, { code: "DOWNLOAD_FAILED" })
      }
      assert.deepStrictEqual(yield* list(), [])
    }).pipe(
      withHive({
        hub: {
          "hf:org/repo": {
            ...hub["hf:org/repo"],
            fault: new DownloadFailed({ reference: "hf:org/repo", attempts: 6, reason: "ECONNRESET" })
          }
        }
      })
    )
  )

  it.effect("a hive that shuts down takes on no more, and still tells what it has", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(Drain, ({ begin }) => begin)
      for (const headers of [{}, wantsEvents]) {
        isRefusal(yield* download("hf:org/repo", headers), [503, "WORKER_DRAINING"])
      }
      assert.deepStrictEqual(yield* list(), [])
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(withHive({ hub }))
  )

  it.effect("a client that goes away takes its download along, where nobody else wants it", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const broken = yield* Deferred.make<void>()
      const slow = Layer.map(TestRbee.with({ hub }), (world) =>
        Context.add(
          world,
          ModelHub,
          ModelHub.of({
            ...Context.get(world, ModelHub),
            fetch: () =>
              Effect.zipRight(Deferred.succeed(begun, undefined), Effect.never).pipe(
                Effect.onInterrupt(() => Deferred.succeed(broken, undefined))
              )
          })
        )
      )
      yield* Effect.gen(function* () {
        const asking = yield* Effect.fork(download("hf:org/repo", wantsEvents))
        yield* Deferred.await(begun)
        yield* Fiber.interrupt(asking)
        yield* Deferred.await(broken)
      }).pipe(Effect.provide(hive(slow)))
    })
  )
})

describe("GET /v1/models/download/progress", () => {
  it.live("tells a download that runs, as it goes", () =>
    Effect.gen(function* () {
      const heard = yield* Deferred.make<void>()
      const tell = report(
        DownloadProgress.make({ stage: "downloading", bytes_downloaded: 1e6, bytes_total: 4e6, speed_mbps: 45.2 })
      )
      // It tells until somebody has heard it, and ends then.
      const telling = Layer.map(TestRbee.with({ hub }), (world) => {
        const double = Context.get(world, ModelHub)
        const fetch: typeof double.fetch = (model) =>
          Effect.raceFirst(
            Effect.forever(Effect.zipRight(tell, Effect.sleep("5 millis"))),
            Effect.as(Deferred.await(heard), {
              ...{ provider: "hf" as const, reference: model.toString(), sha256: null },
              ...{ local_path: "/package/models/demo.gguf", size_bytes: 5_000_000 }
            })
          )
        return Context.add(world, ModelHub, ModelHub.of({ ...double, fetch }))
      })
      yield* Effect.gen(function* () {
        const { download_id } = yield* begin
        const answer = yield* progressOf(download_id, {
          onData: (piece) => {
            if (piece.includes("downloading")) Effect.runSync(Deferred.succeed(heard, undefined))
          }
        })
        const events = eventsIn(answer)
        assert.deepInclude(events, {
          ...{ type: "progress", stage: "downloading", bytes_downloaded: 1e6, bytes_total: 4e6, speed_mbps: 45.2 }
        })
        assert.deepInclude(events.at(-1), { stage: "complete", local_path: "/package/models/demo.gguf" })
      }).pipe(Effect.provide(hive(telling)))
    })
  )

  it.effect("no download of that id: 404", () =>
    Effect.gen(function* () {
      for (const id of ["id1", "no-such-id", "../x"]) {
        isRefusal(yield* progressOf(id), [404, "DOWNLOAD_NOT_FOUND"])
        isRefusal(yield* progressOf(id, { headers: wantsEvents }), [404, "DOWNLOAD_NOT_FOUND"])
      }
      isRefusal(yield* ask("/v1/models/download/progress"), [400, "INVALID_REQUEST"])
    }).pipe(withHive())
  )
})

describe("DELETE /v1/models/download/{id}", () => {
  it.effect("ends the download; however often, and for whatever id, it is 204", () =>
    Effect.gen(function* () {
      const { download_id } = yield* begin
      const following = yield* Effect.fork(progressOf(download_id))
      yield* TestClock.adjust("1 second")
      for (const id of [download_id, download_id, "no-such-id"]) {
        const { status, text } = yield* cancel(id)
        assert.deepStrictEqual([status, text], [204, ""])
      }
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* tags, ["begun"])
      assert.deepStrictEqual(yield* list(), [])
      // Whoever follows it is told.
      assert.deepInclude(eventsIn(yield* Fiber.join(following)).at(-1)?.error, { code: "DOWNLOAD_NOT_FOUND" })
    }).pipe(withHive({ hub }))
  )

  it.effect("and not where another wants it", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* begin, yield* begin]
      for (const _ of [1, 2]) yield* cancel(one.download_id)
      yield* TestClock.adjust("4 seconds")
      assert.deepInclude(eventsIn(yield* progressOf(other.download_id)).at(-1), { stage: "complete" })
    }).pipe(withHive({ hub }))
  )
})

describe("the catalog", () => {
  const entry = modelEntry({ id: "m-1", reference: "hf:org/repo", provider: "hf", local_path, size_bytes: 4e6 })
  const mine = modelEntry({
    id: "m-2",
    reference: "file:///srv/mine.gguf",
    provider: "file",
    local_path: "/srv/mine.gguf"
  })
  const models = [entry, mine]

  it.effect("GET /v1/models/list, all or those of one provider (CAT-4)", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* list(), [{ ...mine }, { ...entry }])
      assert.deepStrictEqual(yield* list("?provider=hf"), [{ ...entry }])
      assert.deepStrictEqual(yield* list("?provider=file"), [{ ...mine }])
      assert.deepStrictEqual(yield* list("?provider=demo"), [])
      isRefusal(yield* ask("/v1/models/list?provider=ollama"), [400, "INVALID_REQUEST"])
    }).pipe(withHive({ models }))
  )

  it.effect("GET /v1/models tells of one model (MOD-2)", () =>
    Effect.gen(function* () {
      const answer = yield* info("hf:org/repo")
      assert.strictEqual(answer.status, 200)
      const { id: _, provider: __, ...row } = entry
      assert.deepStrictEqual(JSON.parse(answer.text), {
        ...row,
        quantization: "Q8_0", // as the header has it
        bytes_to_fetch: 0,
        gguf: testGguf(4e6)
      })
      isRefusal(yield* info("hf:org/none"), [404, "MODEL_NOT_FOUND"])
      isRefusal(yield* info("rm -rf /"), [400, "INVALID_REQUEST"])
      isRefusal(yield* ask("/v1/models"), [400, "INVALID_REQUEST"])
    }).pipe(withHive({ models }))
  )

  it.effect("DELETE /v1/models removes one: 204, and then there is none", () =>
    Effect.gen(function* () {
      const { status, text } = yield* remove("hf:org/repo")
      assert.deepStrictEqual([status, text], [204, ""])
      assert.deepStrictEqual(yield* list(), [{ ...mine }])
      assert.deepStrictEqual(yield* hubJournal, [{ _tag: "discarded", path: local_path }])
      isRefusal(yield* remove("hf:org/repo"), [404, "MODEL_NOT_FOUND"])
    }).pipe(withHive({ models }))
  )

  it.effect("one that a worker holds stays: 409", () =>
    Effect.gen(function* () {
      const { details } = isRefusal(yield* remove("hf:org/repo"), [409, "MODEL_IN_USE"])
      assert.deepInclude(details, { workers: ["w-1"] })
      assert.lengthOf(yield* list(), 2)
    }).pipe(withHive({ models, workers: [hosted({ model_ref: "hf:org/repo" })] }))
  )

  it.effect("a catalog that cannot be read: 503", () =>
    Effect.gen(function* () {
      yield* Effect.flatMap(ModelCatalogTest, ({ breakDown }) => breakDown("disk I/O error"))
      for (const answer of [ask("/v1/models/list"), info("demo"), remove("demo"), download("demo")]) {
        isRefusal(yield* answer, [503, "CATALOG_UNAVAILABLE"])
      }
    }).pipe(withHive({ models }))
  )
})

describe("POST /v1/workers/plan", () => {
  const plan = (body: unknown) => ask("/v1/workers/plan", { method: "POST", body })

  it.effect("a plan, and nothing done", () =>
    Effect.gen(function* () {
      const { status, text } = yield* plan({ model: "hf:org/repo" })
      assert.strictEqual(status, 200)
      const { model, placement, failure, resources } = JSON.parse(text)
      assert.deepInclude(model, { reference: "hf:org/repo", bytes_to_fetch: 4e6, gguf: null })
      assert.deepStrictEqual(placement.device, { backend: "cpu", index: 0 })
      assert.isNull(failure)
      assert.isAbove(resources.ram_total_mb, 0)
      assert.deepStrictEqual(yield* hubJournal, [])
    }).pipe(withHive({ hub }))
  )

  it.effect("that would fail is a plan all the same, with the failure's envelope in it", () =>
    Effect.gen(function* () {
      const { status, text } = yield* plan({ model: "hf:org/repo" })
      const { failure, placement } = JSON.parse(text)
      assert.deepStrictEqual([status, failure.code, placement], [200, "INSUFFICIENT_RAM", null])
      isRefusal(yield* plan({ model: "demo", slots: 0 }), [400, "INVALID_REQUEST"])
    }).pipe(withHive({ hub, ram_available_mb: 1 }))
  )
})

it.effect("nobody without the key learns or moves anything", () =>
  Effect.gen(function* () {
    for (const [method, path, body] of [
      ["GET", "/v1/models/list", undefined],
      ["GET", "/v1/models?reference=demo", undefined],
      ["DELETE", "/v1/models?reference=demo", undefined],
      ["POST", "/v1/models/download", { model: "demo" }],
      ["GET", "/v1/models/download/progress?id=id1", undefined],
      ["DELETE", "/v1/models/download/id1", undefined],
      ["POST", "/v1/workers/plan", { model: "demo" }]
    ] as const) {
      isRefusal(yield* ask(path, { method, body, headers: { authorization: "" } }), [401, "MISSING_API_KEY"])
    }
    assert.lengthOf(yield* (yield* ModelCatalogTest).entries, 1)
  }).pipe(withHive({ models: [modelEntry()] }))
)

describe("a queen that asks it over HTTP", () => {
  const asking = Effect.gen(function* () {
    const { port } = yield* Hive
    const client = yield* Effect.provide(HiveClient, HiveClientHttp)
    return { client, at: hiveAddress({ url: `http://127.0.0.1:${port}`, token: serverKey }) }
  })
  const model = ref("hf:org/repo")

  it.effect("fetches, lists, looks at and removes a model", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      const fetching = yield* Effect.fork(Stream.runCollect(client.download(at, model)))
      yield* Effect.repeat(Effect.zipLeft(tags, TestClock.adjust("1 second")), { until: (all) => all.includes("done") })
      const events = Chunk.toReadonlyArray(yield* Fiber.join(fetching))
      const entries = yield* (yield* ModelCatalogTest).entries
      assert.lengthOf(entries, 1)
      assert.deepStrictEqual(events.at(-1), entries[0])
      assert.deepStrictEqual(yield* client.models(at, null), entries)
      assert.deepStrictEqual(yield* client.models(at, "demo"), [])
      assert.strictEqual((yield* client.modelInfo(at, model)).gguf?.layers, 5)
      yield* client.removeModel(at, model)
      assert.deepStrictEqual(yield* client.models(at, null), [])
    }).pipe(withHive({ hub }))
  )

  it.effect("gets its errors as they were raised", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      const none = ref("hf:org/none")
      const missing = new ModelNotFound({ reference: "hf:org/none", missing: "repository", near: ["hf:org/repo"] })
      yield* failsWith(client.modelInfo(at, none), missing)
      yield* failsWith(Stream.runDrain(client.download(at, none)), missing)
      const inUse = new ModelInUse({ reference: "demo", workers: ["w-1"] })
      yield* failsWith(client.removeModel(at, ref("demo")), inUse)
      const { failure } = yield* client.plan(at, spawnRequest({ model }))
      assertFails(failure, new InsufficientRam({ required_mb: 5, available_mb: 4, decreased: false }))
    }).pipe(withHive({ hub, ram_available_mb: 4, models: [modelEntry()], workers: [hosted()] }))
  )

  it.live("is told where there is no hive", () =>
    Effect.gen(function* () {
      const { client, at } = yield* asking
      const nowhere = { ...at, url: "http://127.0.0.1:1" }
      const calls: ReadonlyArray<Effect.Effect<unknown, RbeeError>> = [
        client.models(nowhere, null),
        client.modelInfo(nowhere, model),
        client.removeModel(nowhere, model),
        client.plan(nowhere, spawnRequest()),
        Stream.runDrain(client.download(nowhere, model))
      ]
      for (const error of yield* Effect.all(calls.map(Effect.flip), { concurrency: "unbounded" })) {
        assert.instanceOf(error, HiveUnreachable)
      }
    }).pipe(withHive())
  )
})
