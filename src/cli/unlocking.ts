/** The queen's client for a user at a terminal: where a private key turns out to be locked, its passphrase is asked for. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { describe } from "../domain/errors/Catalogue.js"
import type { RbeeError } from "../domain/errors/index.js"
import type { SshKeyLocked } from "../domain/errors/Ssh.js"
import { type QueenAddress, QueenClient } from "../services/QueenClient.js"

/** How a passphrase is asked for; none where the user gives up. Without a terminal nobody is asked. */
export type Ask = Option.Option<(question: string) => Effect.Effect<Option.Option<Redacted.Redacted>>>

/** How many wrong passphrases are one too many. */
const tries_max = 3

/**
 * The same client, whose calls that lead over SSH are repeated once for every key that could be unlocked. The passphrase goes to the
 * queen, which keeps it in memory alone.
 */
export const unlocking = (ask: Ask): Layer.Layer<QueenClient, never, QueenClient> =>
  Layer.effect(
    QueenClient,
    Effect.map(QueenClient, (client) => {
      if (Option.isNone(ask)) return client

      /** Asks until the queen takes the passphrase. Fails with why the key stays locked. */
      const unlock = Effect.fnUntraced(function* (queen: QueenAddress, error: SshKeyLocked) {
        let why = error
        for (let left = tries_max; left > 0; left -= 1) {
          const sorry = why.wrong_passphrase ? `${describe(why).message}\n` : ""
          const given = yield* ask.value(`${sorry}Passphrase of ${why.path}: `)
          if (Option.isNone(given)) return yield* error
          const outcome = yield* client.unlock(queen, why.path, given.value).pipe(
            Effect.as(Option.none()),
            Effect.catchTag("SshKeyLocked", (locked) => Effect.succeedSome(locked))
          )
          if (Option.isNone(outcome)) return
          why = outcome.value
        }
        return yield* why
      })

      /** Another key may be locked behind this one (a jump host's); one that was unlocked and is still locked is a failure. */
      const retried = <A>(
        queen: QueenAddress,
        events: Stream.Stream<A, RbeeError>,
        unlocked: ReadonlyArray<string> = []
      ): Stream.Stream<A, RbeeError> =>
        Stream.catchTag(events, "SshKeyLocked", (error) =>
          unlocked.includes(error.path)
            ? Stream.fail(error)
            : Stream.unwrap(Effect.map(unlock(queen, error), () => retried(queen, events, [...unlocked, error.path])))
        )

      return QueenClient.of({
        ...client,
        submit: (queen, task, deadline) => retried(queen, client.submit(queen, task, deadline)),
        addNode: (queen, node) => retried(queen, client.addNode(queen, node)),
        updateNode: (queen, name, changes) => retried(queen, client.updateNode(queen, name, changes)),
        removeNode: (queen, name, purge) => retried(queen, client.removeNode(queen, name, purge)),
        preflight: (queen, name) => retried(queen, client.preflight(queen, name)),
        plan: (queen, task) => retried(queen, client.plan(queen, task)),
        models: (queen, name, provider) => retried(queen, client.models(queen, name, provider)),
        modelInfo: (queen, name, model) => retried(queen, client.modelInfo(queen, name, model)),
        removeModel: (queen, name, model) => retried(queen, client.removeModel(queen, name, model)),
        download: (queen, name, model) => retried(queen, client.download(queen, name, model)),
        spawnWorker: (queen, name, request) => retried(queen, client.spawnWorker(queen, name, request)),
        logs: (queen, name, request) => retried(queen, client.logs(queen, name, request)),
        install: (queen, name, from) => retried(queen, client.install(queen, name, from))
      })
    })
  )
