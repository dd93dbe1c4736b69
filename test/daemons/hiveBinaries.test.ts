/** The hive's endpoints for worker binaries, over real HTTP, with a node of doubles behind them. */
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
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
import { authLive } from "../../src/layers/http/AuthLive.js"
import { Drain, DrainLive } from "../../src/layers/http/Drain.js"
import { guarded } from "../../src/layers/http/Edge.js"
import { HiveClientHttp } from "../../src/layers/http/HiveClientHttp.js"
import { serve } from "../../src/layers/http/HttpServerLive.js"
import { HiveClient } from "../../src/services/HiveClient.js"
import { BuildsTest } from "../../src/testing/BuildsTest.js"
import { TestRbee, type TestWorld } from "../../src/testing/TestRbee.js"
import { binaryEntry } from "../support/binaries.js"
import { type Asked, askAt, eventsIn, isRefusal, onFreePort, serverKey, wantsEvents } from "../support/http.js"
import { hiveAddress } from "../support/samples.js"

/** Where the hive under test is. */
class Hive extends Context.Tag("test/Hive")<Hive, { readonly port: number }>() {}

const hive = (world: TestWorld) =>
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
        Layer.provideMerge(Layer.mergeAll(DrainLive, StopLive)),
        Layer.provideMerge(TestRbee.with(world))
      )
      const at = Layer.effect(
        Hive,
        Effect.map(port, (port) => ({ port }))
      )
      return Layer.provideMerge(at, graph)
    })
  ).pipe(Layer.orDie, Layer.provide(Logger.minimumLogLevel(LogLevel.None)))

/** Runs a test with a hive on such a node. */
const withHive =
  (world: TestWorld = {}) =>
  <A, E>(test: Effect.Effect<A, E, Layer.Layer.Success<ReturnType<typeof hive>>>): Effect.Effect<A, E> =>
    Effect.provide(test, hive(world))

const ask = (path: string, asked?: Asked) => Effect.flatMap(Hive, ({ port }) => askAt(port)(path, asked))
const provision = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  ask("/v1/worker-binaries/provision", { method: "POST", body, headers })
const list = (query = "") =>
  Effect.map(ask(`/v1/worker-binaries/list${query}`), (answer): ReadonlyArray<Readonly<Record<string, unknown>>> => {
    assert.strictEqual(answer.status, 200, answer.text)
    return JSON.parse(answer.text).binaries
  })
const orders = Effect.flatMap(BuildsTest, ({ orders }) => orders)

const git_repo_url = "file:///srv/workers.git"
const story = {
  ...{ worker_type: "story-worker", version: "1.2.3", features: ["loud"], installed_at_unix: 0 },
  binary_path: "/home/rbee/builds/story-worker/loud/story-worker"
}
const asked = { worker_type: "story-worker", features: ["loud"], git_repo_url }
const builds = {
  sources: { "story-worker": { version: "1.2.3", says: ["Compiling"] }, broken: { fails: ["error: no"] } }
}

describe("POST /v1/worker-binaries/provision", () => {
  it.effect("answers the entry as JSON, and lists it then", () =>
    Effect.gen(function* () {
      const { status, text } = yield* provision(asked)
      assert.deepStrictEqual([status, JSON.parse(text)], [200, story])
      assert.deepStrictEqual((yield* list()).slice(1), [story])
      yield* provision(asked)
      assert.lengthOf(yield* orders, 1)
      yield* provision({ ...asked, force_rebuild: true, git_branch: "next" })
      assert.deepStrictEqual((yield* orders)[1]?.source, { url: git_repo_url, branch: "next" })
    }).pipe(withHive({ builds }))
  )

  it.effect("with events: what it says, and the entry at last", () =>
    Effect.gen(function* () {
      const events = eventsIn(yield* provision(asked, wantsEvents))
      assert.deepInclude(events, { type: "narration", actor: "rbee-hive", emoji: "🔧", human: "Compiling" })
      assert.deepStrictEqual(events.at(-1), { type: "binary", ...story })
    }).pipe(withHive({ builds }))
  )

  it.effect("what cannot be built is refused, or is the last event", () =>
    Effect.gen(function* () {
      isRefusal(yield* provision({ worker_type: "story-worker" }), [404, "WORKER_BINARY_NOT_FOUND"])
      isRefusal(yield* provision({ ...asked, features: ["cuda"] }), [400, "CUDA_TOOLKIT_MISSING"])
      const broken = { worker_type: "broken", git_repo_url }
      const { details } = isRefusal(yield* provision(broken), [502, "WORKER_BUILD_FAILED"])
      assert.deepInclude(details, { stderr_lines: ["error: no"] })
      const { type, error } = eventsIn(yield* provision(broken, wantsEvents)).at(-1) ?? {}
      assert.strictEqual(type, "error")
      assert.deepInclude(error, { code: "WORKER_BUILD_FAILED" })
    }).pipe(withHive({ builds }))
  )

  it.effect("what might be taken for something else is not even looked at", () =>
    Effect.gen(function* () {
      for (const body of [
        {},
        { ...asked, worker_type: "../evil" },
        { ...asked, worker_type: "--config" },
        { ...asked, features: ["a b"] },
        { ...asked, features: ["--all-features"] },
        { ...asked, git_repo_url: "ext::sh -c id" },
        { ...asked, git_branch: "--upload-pack=id" }
      ]) {
        isRefusal(yield* provision(body), [400, "INVALID_REQUEST"])
      }
      assert.deepStrictEqual(yield* orders, [])
    }).pipe(withHive({ builds }))
  )

  it.effect("a hive that shuts down takes on no more; nobody without the key learns or moves anything", () =>
    Effect.gen(function* () {
      const headers = { authorization: "" }
      isRefusal(yield* provision(asked, headers), [401, "MISSING_API_KEY"])
      isRefusal(yield* ask("/v1/worker-binaries/list", { headers }), [401, "MISSING_API_KEY"])
      yield* Effect.flatMap(Drain, ({ begin }) => begin)
      isRefusal(yield* provision(asked), [503, "WORKER_DRAINING"])
      assert.deepStrictEqual(yield* orders, [])
    }).pipe(withHive({ builds }))
  )
})

describe("GET /v1/worker-binaries/list", () => {
  const cuda = binaryEntry({ features: ["cuda"] })

  it.effect("the worker of this package, and what was built, also by a feature (WP-4)", () =>
    Effect.gen(function* () {
      const [ours, ...built] = yield* list()
      assert.hasAllKeys(ours ?? {}, ["worker_type", "version", "binary_path", "features", "installed_at_unix"])
      assert.deepInclude(ours, { worker_type: "llm-worker-rbee", features: [] })
      const { id: _, built_at_unix: installed_at_unix, ...rest } = cuda
      assert.deepStrictEqual(built, [{ ...rest, installed_at_unix }])
      assert.deepStrictEqual(yield* list("?feature=cuda"), built)
      assert.deepStrictEqual(yield* list("?feature=metal"), [])
    }).pipe(withHive({ worker_binaries: [cuda] }))
  )

  it.effect("a queen reads the types from it", () =>
    Effect.gen(function* () {
      const { port } = yield* Hive
      const client = yield* Effect.provide(HiveClient, HiveClientHttp)
      const at = hiveAddress({ url: `http://127.0.0.1:${port}`, token: serverKey })
      assert.deepStrictEqual(yield* client.workerBinaries(at), ["llm-worker-rbee", "story-worker"])
    }).pipe(withHive({ worker_binaries: [cuda] }))
  )
})
