/** A hive that takes connections and never answers: every call ends in its time, whatever region it is made in. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/TestClock"
import { QueenId } from "../../../src/domain/Ids.js"
import { HiveClientHttp } from "../../../src/layers/http/HiveClientHttp.js"
import { HiveClient } from "../../../src/services/HiveClient.js"
import { layerSettingsTest } from "../../../src/testing/SettingsTest.js"
import { hiveAddress } from "../../support/samples.js"
import { tcpServer } from "../../support/tcp.js"

const http_total = Duration.seconds(10)

const client = Layer.provide(HiveClientHttp, layerSettingsTest({ timeouts: { http_total } }))

const mute = Effect.gen(function* () {
  const connected = yield* Deferred.make<void>()
  const { port, sockets } = yield* tcpServer(() => Deferred.unsafeDone(connected, Effect.void))
  return {
    address: hiveAddress({ url: `http://127.0.0.1:${port}`, token: Redacted.make("s3cret") }),
    sockets,
    connected
  }
})

describe("a hive that never answers", () => {
  for (const [name, call] of [
    ["health", (hives, address) => hives.health(address)],
    ["backends", (hives, address) => hives.backends(address)],
    ["models", (hives, address) => hives.models(address, null)],
    [
      "renewLease",
      (hives, address) =>
        hives.renewLease(address, {
          queen_id: QueenId.make("queen-1"),
          ttl_s: 60,
          host: "desk",
          home: "/home/bee/.rbee"
        })
    ]
  ] as const satisfies ReadonlyArray<
    readonly [
      string,
      (hives: HiveClient["Type"], address: ReturnType<typeof hiveAddress>) => Effect.Effect<unknown, unknown>
    ]
  >) {
    it.scoped(`${name} ends within its time, and lets go of the connection`, () =>
      Effect.gen(function* () {
        const { address, sockets, connected } = yield* mute
        const hives = yield* HiveClient
        const calling: Effect.Effect<unknown, unknown> = call(hives, address)
        const failing = yield* Effect.fork(Effect.flip(calling))
        yield* Deferred.await(connected)
        yield* TestClock.adjust(http_total)
        assert.deepInclude(yield* Fiber.join(failing), { _tag: "HiveUnreachable" })
        for (const socket of sockets) {
          yield* Effect.async<void>((resume) => void socket.once("end", () => resume(Effect.void)).resume())
        }
      }).pipe(Effect.provide(client))
    )
  }
})
