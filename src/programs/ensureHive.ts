import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import { isLoopback, localUrl } from "../domain/Address.js"
import { HiveStartFailed } from "../domain/errors/Hive.js"
import type { HiveStarted } from "../domain/Hive.js"
import { localhost } from "../domain/Ids.js"
import { version } from "../domain/Version.js"
import { Daemons, type RunningDaemon } from "../services/Daemons.js"
import { HiveClient } from "../services/HiveClient.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"
import { Settings } from "../services/Settings.js"

const say = voiceOf("rbee-hive")

/**
 * A hive on this machine, as `rbee hive start` answers a queen: the one that runs and answers; a new one in the place of one that runs
 * and does not (stale); or simply a new one, which gets the given token. New ones exit when their last lease ends.
 * A new one that is to be reached `direct`ly listens on the configured address, or on all where that is loopback. One that runs
 * is left as it is: it may be serving. The answer tells where it listens.
 */
export const ensureHive: (
  token: Redacted.Redacted,
  how: { readonly direct: boolean }
) => Effect.Effect<HiveStarted, HiveStartFailed, Daemons | HiveClient | Processes | Settings | Narrator> = Effect.fn(
  "rbee.ensureHive"
)(function* (token, { direct }) {
  const daemons = yield* Daemons
  const running = yield* daemons.running("hive")
  if (Option.isSome(running)) {
    const answering = yield* ask(running.value, token)
    if (Option.isSome(answering)) return answering.value
    const { identity } = running.value
    yield* say("🧟", `The hive with pid ${identity.pid} does not answer: replacing it`)
    yield* Effect.flatMap(Processes, ({ stop }) => stop(identity, Duration.seconds(2)))
  }
  const { hive } = yield* Settings
  const begin = daemons.start("hive", {
    args: ["--leased", ...(direct ? ["--host", openHost(hive.host)] : [])],
    token: Option.some(token),
    attached: false
  })
  return yield* begin.pipe(
    Effect.map(({ identity, host, port }) => ({ pid: identity.pid, host, port, token, version, started: true })),
    Effect.catchAll(({ reason }) =>
      // Somebody else may have been starting one at the same time, and one is enough.
      Effect.flatMap(somebodyElses(token, reason), (other) =>
        Option.isSome(other)
          ? Effect.succeed(other.value)
          : Effect.fail(new HiveStartFailed({ node: localhost, reason, log_lines: [] }))
      )
    )
  )
})

/** The hive that answers there, if one does. */
const ask = ({ identity, host, port, token: known }: RunningDaemon, ours: Redacted.Redacted) => {
  const token = Option.getOrElse(known, () => ours)
  return Effect.map(
    Effect.option(askHealth(localUrl(host, port), token)),
    Option.map(
      (health): HiveStarted => ({
        ...{ pid: identity.pid, host, port, token, started: false },
        version: health.version
      })
    )
  )
}

/** A hive that another one started meanwhile. One that was refused for it may be there sooner than the other listens. */
const somebodyElses = Effect.fnUntraced(function* (token: Redacted.Redacted, reason: string) {
  const daemons = yield* Daemons
  for (let left = isTaken.test(reason) ? looks_max : 0; ; left -= 1) {
    const running = yield* daemons.running("hive")
    const found = Option.isNone(running) ? Option.none<HiveStarted>() : yield* ask(running.value, token)
    if (Option.isSome(found) || left === 0) return found
    yield* Effect.sleep("250 millis")
  }
})

/** How often one looks for a hive that is about to listen. */
const looks_max = 40
/** How a daemon says that it is not the only one (`AlreadyRunning`). */
const isTaken = /runs in this home folder already/

const openHost = (configured: string) => (isLoopback(configured) ? "0.0.0.0" : configured)

const askHealth = (url: string, token: Redacted.Redacted) =>
  Effect.flatMap(HiveClient, (client) => client.health({ node: localhost, url, token }))
