/** What every request meets before and after its handler, tried on a worker's own contract over real HTTP. */
import * as Http from "node:http"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { WorkerApi } from "../../../src/api/WorkerApi.js"
import { StopLive } from "../../../src/daemons/daemon.js"
import { OpenHandlers, workerHandlers } from "../../../src/daemons/worker/handlers.js"
import { openAiHandlers } from "../../../src/daemons/worker/openai.js"
import { EnvelopeBody } from "../../../src/domain/errors/Envelope.js"
import { RequestId } from "../../../src/domain/Ids.js"
import { authLive } from "../../../src/layers/http/AuthLive.js"
import { DrainLive } from "../../../src/layers/http/Drain.js"
import { guarded } from "../../../src/layers/http/Edge.js"
import { serve } from "../../../src/layers/http/HttpServerLive.js"
import type { LoadedModel } from "../../../src/services/Engine.js"
import { WorkerSelf } from "../../../src/services/WorkerSelf.js"
import { layerSettingsTest } from "../../../src/testing/SettingsTest.js"
import { layerTokensTest } from "../../../src/testing/TokensTest.js"
import { WorkerSelfTest } from "../../../src/testing/WorkerSelfTest.js"

/** Where the server under test is. */
class Server extends Context.Tag("test/Server")<Server, { readonly url: string; readonly port: number }>() {}

const key = "the-worker's-key".replaceAll("'", "-")

const ServerLive = Layer.unwrapScoped(
  Effect.gen(function* () {
    const bound = yield* Deferred.make<number>()
    const graph = serve({
      host: "127.0.0.1",
      port: 0,
      grace: 0,
      onListening: (port) => Effect.asVoid(Deferred.succeed(bound, port))
    }).pipe(
      Layer.provide(HttpApiBuilder.api(WorkerApi)),
      Layer.provide([
        OpenHandlers,
        workerHandlers({ worker_id: "w-1", model_ref: "demo", heard: Effect.void }),
        openAiHandlers({ worker_id: "w-1", model_ref: "demo", heard: Effect.void }),
        HttpApiBuilder.middleware(WorkerApi, guarded)
      ]),
      Layer.provide(authLive("w-1", Effect.succeedSome(Redacted.make(key)))),
      Layer.provideMerge(
        Layer.mergeAll(DrainLive, StopLive, WorkerSelfTest.layer(1), layerTokensTest, layerSettingsTest())
      )
    )
    const server = Layer.effect(
      Server,
      Effect.map(Deferred.await(bound), (port) => ({ url: `http://127.0.0.1:${port}`, port }))
    )
    return Layer.provideMerge(server, graph)
  })
)

interface Answer {
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly text: string
}

interface Asked {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Asks by Node's own client, which sends what it is told to; with the key, unless the headers say otherwise. */
const ask = (path: string, { method = "GET", headers = {}, body }: Asked = {}) =>
  Effect.flatMap(Server, ({ port }) =>
    Effect.async<Answer>((resume) => {
      const request = Http.request(
        { host: "127.0.0.1", port, path, method, headers: { authorization: `Bearer ${key}`, ...headers } },
        (response) => {
          let text = ""
          response.setEncoding("utf8")
          response.on("data", (piece: string) => {
            text += piece
          })
          response.on("end", () =>
            resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text }))
          )
        }
      )
      request.on("error", (error) => resume(Effect.die(error)))
      request.end(body)
    })
  )

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body)
  })

const Envelope = Schema.parseJson(Schema.Struct({ error: EnvelopeBody }))

/** The error in the one envelope, which is all that an error's body holds. */
const errorOf = ({ text, headers }: Answer) => {
  const { error } = Schema.decodeSync(Envelope, { onExcessProperty: "error" })(text)
  assert.strictEqual(error.correlation_id, headers["x-correlation-id"])
  assert.match(String(headers["content-type"]), /^application\/json/)
  return error
}

const model: LoadedModel = {
  ...{ context_size: 64, vram_bytes: 0, layers: 4, placed: { backend: "cpu", gpu_layers: 0 } },
  generate: () => Effect.never,
  embed: () => Effect.never
}
const prompt = { prompt: "Once", max_tokens: 5 }

describe("the edge of every daemon (VAL-1)", () => {
  it.layer(ServerLive)((it) => {
    it.effect("an unknown path", () =>
      Effect.gen(function* () {
        const answer = yield* ask("/v1/nothing/here")
        assert.strictEqual(answer.status, 404)
        assert.strictEqual(errorOf(answer).code, "ROUTE_NOT_FOUND")
        assert.notInclude(answer.text, "nothing/here")
      })
    )

    it.effect("a wrong method", () =>
      Effect.gen(function* () {
        for (const [method, path] of [
          ["DELETE", "/health"],
          ["GET", "/v1/inference"],
          ["PUT", "/v1/status"]
        ] as const) {
          const answer = yield* ask(path, { method })
          assert.strictEqual(answer.status, 404, path)
          assert.strictEqual(errorOf(answer).code, "ROUTE_NOT_FOUND")
        }
      })
    )

    for (const [what, body] of [
      ["broken off", '{"prompt":"a'],
      ["empty", ""],
      ["no JSON at all", "<script>alert(1)</script>"]
    ] as const) {
      it.effect(`malformed JSON: ${what}`, () =>
        Effect.gen(function* () {
          const answer = yield* post("/v1/inference", body)
          assert.strictEqual(answer.status, 400)
          assert.strictEqual(errorOf(answer).code, "INVALID_REQUEST")
          if (body !== "") assert.notInclude(answer.text, body)
        })
      )
    }

    for (const [what, body, field] of [
      ["a field that is missing", { max_tokens: 5 }, "prompt"],
      ["a wrong type", { ...prompt, max_tokens: "s3cret-input" }, "max_tokens"],
      ["out of range", { ...prompt, temperature: 777.25 }, "temperature"],
      ["NUL in the prompt", { ...prompt, prompt: "s3cret-input\0" }, "prompt"],
      ["an id that is none", { ...prompt, request_id: "s3cret-input; rm -rf /" }, "request_id"],
      ["a list that is none", { ...prompt, stop: "s3cret-input" }, "stop"],
      ["another thing in a list", { ...prompt, stop: ["ok", 777.25] }, "stop.1"]
    ] as const) {
      it.effect(`an invalid body names the field, and echoes nothing: ${what} (VAL-13, VAL-15)`, () =>
        Effect.gen(function* () {
          const answer = yield* post("/v1/inference", body)
          const { code, message, details } = errorOf(answer)
          assert.deepStrictEqual([answer.status, code], [400, "INVALID_REQUEST"])
          assert.include(message, `${field}: `)
          assert.isNotEmpty(details.issues)
          for (const input of ["s3cret-input", "777.25", "rm -rf"]) assert.notInclude(answer.text, input)
        })
      )
    }

    it.effect("every field that does not fit is named at once", () =>
      Effect.gen(function* () {
        const answer = yield* post("/v1/inference", { max_tokens: "x", temperature: "y" })
        const { message } = errorOf(answer)
        for (const field of ["prompt", "max_tokens", "temperature"]) assert.include(message, `${field}: `)
      })
    )

    it.effect("a body over 1 MiB is refused by its length, before it is read (VAL-11)", () =>
      Effect.gen(function* () {
        const answer = yield* post("/v1/inference", { ...prompt, prompt: "x".repeat(1024 * 1024) })
        assert.strictEqual(answer.status, 413)
        const { code, details } = errorOf(answer)
        assert.deepStrictEqual([code, details], ["BODY_TOO_LARGE", { limit_bytes: 1024 * 1024 }])
        yield* ask("/health") // the server goes on
      })
    )

    for (const [what, headers, code] of [
      ["no key", { authorization: "" }, "MISSING_API_KEY"],
      ["another scheme", { authorization: `Basic ${key}` }, "MISSING_API_KEY"],
      ["a wrong key", { authorization: "Bearer s3cret-guess" }, "INVALID_API_KEY"],
      ["a key that only begins as the right one", { authorization: `Bearer ${key}x` }, "INVALID_API_KEY"],
      ["the key in other letters", { authorization: `Bearer ${key.toUpperCase()}` }, "INVALID_API_KEY"]
    ] as const) {
      it.effect(`${what}: 401 with the scheme that is wanted (EH-017)`, () =>
        Effect.gen(function* () {
          for (const [method, path] of [
            ["GET", "/v1/status"],
            ["POST", "/v1/admin/shutdown"],
            ["DELETE", "/v1/inference/r-1"]
          ] as const) {
            const answer = yield* ask(path, { method, headers })
            assert.deepStrictEqual([answer.status, errorOf(answer).code], [401, code], path)
            assert.strictEqual(answer.headers["www-authenticate"], "Bearer")
            assert.notInclude(answer.text, "s3cret-guess")
            assert.notInclude(answer.text, key)
          }
        })
      )
    }

    it.effect("who has no key learns nothing about the body either", () =>
      Effect.gen(function* () {
        const answer = yield* post("/v1/inference", { nonsense: true }, { authorization: "" })
        assert.strictEqual(answer.status, 401)
      })
    )

    it.effect("the sign of life needs no key", () =>
      Effect.gen(function* () {
        const answer = yield* ask("/health", { headers: { authorization: "" } })
        assert.deepStrictEqual([answer.status, JSON.parse(answer.text)], [200, { status: "ok" }])
      })
    )

    it.effect("a correlation id is taken from the request", () =>
      Effect.gen(function* () {
        for (const path of ["/health", "/v1/nothing"]) {
          const answer = yield* ask(path, { headers: { "x-correlation-id": "from-the_keeper-1" } })
          assert.strictEqual(answer.headers["x-correlation-id"], "from-the_keeper-1")
          if (answer.status !== 200) assert.strictEqual(errorOf(answer).correlation_id, "from-the_keeper-1")
        }
      })
    )

    it.effect("or made: where there is none, and where it would not fit a log line (VAL-2)", () =>
      Effect.gen(function* () {
        const made = new Set<unknown>()
        for (const given of [undefined, "a b", "x".repeat(65), "<b>", ""]) {
          const answer = yield* ask("/health", { headers: given === undefined ? {} : { "x-correlation-id": given } })
          const id = answer.headers["x-correlation-id"]
          assert.match(String(id), /^id\d+$/)
          made.add(id)
        }
        assert.strictEqual(made.size, 5)
      })
    )

    it.effect("still loading: 503 with the layers", () =>
      Effect.gen(function* () {
        const answer = yield* post("/v1/inference", prompt)
        assert.deepStrictEqual([answer.status, errorOf(answer).code], [503, "WORKER_LOADING"])
      })
    )

    it.effect("all slots taken: 503 with Retry-After and the counts (EH-018a)", () =>
      Effect.gen(function* () {
        const self = yield* WorkerSelf
        yield* self.modelLoaded(model)
        yield* self.takeSlot(RequestId.make("r-0"), Option.none())
        const answer = yield* post("/v1/inference", prompt)
        const { code, details } = errorOf(answer)
        assert.deepStrictEqual([answer.status, code], [503, "ALL_SLOTS_BUSY"])
        assert.deepInclude(details, { slots_total: 1, slots_busy: 1 })
        assert.strictEqual(answer.headers["retry-after"], "1")
      }).pipe(Effect.scoped)
    )

    it.effect("a past deadline: 408", () =>
      Effect.gen(function* () {
        const answer = yield* post("/v1/inference", prompt, { "x-request-deadline": "1969-01-01T00:00:00Z" })
        assert.deepStrictEqual([answer.status, errorOf(answer).code], [408, "REQUEST_TIMEOUT"])
      })
    )

    it.effect("a crash: 500 without its cause, under the correlation id", () =>
      Effect.gen(function* () {
        const self = yield* WorkerSelf
        yield* self.modelLoaded({ ...model, generate: () => Effect.die(new Error("s3cret in a stack trace")) })
        const answer = yield* post("/v1/inference", prompt, { "x-correlation-id": "c-1" })
        const { code, message } = errorOf(answer)
        assert.deepStrictEqual([answer.status, code], [500, "INTERNAL_ERROR"])
        assert.include(message, "c-1")
        assert.notInclude(answer.text, "s3cret")
        assert.strictEqual((yield* self.status).slots_available, 1)
        yield* self.modelLoaded(model)
      })
    )

    it.effect("a slot is free again when its client goes away (CAN-2)", () =>
      Effect.gen(function* () {
        const self = yield* WorkerSelf
        const { port } = yield* Server
        const request = Http.request({
          ...{ host: "127.0.0.1", port, path: "/v1/inference", method: "POST" },
          headers: { authorization: `Bearer ${key}`, "content-type": "application/json" }
        })
        request.on("error", () => {}) // we end it ourselves
        request.end(JSON.stringify(prompt))
        const slots = Effect.map(self.status, ({ slots_available }) => slots_available)
        yield* Effect.repeat(Effect.zipRight(settled, slots), { until: (free) => free === 0 })
        request.destroy()
        yield* Effect.repeat(Effect.zipRight(settled, slots), { until: (free) => free === 1 })
      })
    )

    it.effect("whatever is sent, the answer is never 500 and never without its envelope (VAL-14)", () =>
      Effect.gen(function* () {
        const anything = FastCheck.oneof(
          FastCheck.json(),
          FastCheck.string(),
          FastCheck.record(
            {
              prompt: FastCheck.anything(),
              max_tokens: FastCheck.anything(),
              stop: FastCheck.anything(),
              stream: FastCheck.anything()
            },
            { requiredKeys: [] }
          ).map((value) => JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}` : part)) ?? "")
        )
        const { takeSlot } = yield* WorkerSelf
        yield* takeSlot(RequestId.make("r-0"), Option.none()) // what is valid is answered at once: busy
        for (const body of FastCheck.sample(anything, { numRuns: 200, seed: 7 })) {
          const answer = yield* post("/v1/inference", body)
          assert.oneOf(answer.status, [400, 503], body)
          errorOf(answer)
        }
      }).pipe(Effect.scoped)
    )
  })
})

/** Lets the server's own events happen: `it.effect` has a clock of its own, sockets do not. */
const settled = Effect.async<void>((resume) => {
  setTimeout(() => resume(Effect.void), 5)
})
