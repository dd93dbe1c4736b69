/** What the keeper's commands run on: the graph of everything that talks to queens and workers. */

import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { CorrelationId } from "../domain/CorrelationId.js"
import { describe } from "../domain/errors/Catalogue.js"
import { ErrorEvent } from "../domain/errors/Envelope.js"
import { RbeeError } from "../domain/errors/index.js"
import { messageOf } from "../domain/Thrown.js"
import { DaemonsLive } from "../layers/DaemonsLive.js"
import { HiveClientHttp } from "../layers/http/HiveClientHttp.js"
import { QueenClientHttp } from "../layers/http/QueenClientHttp.js"
import { WorkerClientHttp } from "../layers/http/WorkerClientHttp.js"
import { InstallationLive } from "../layers/InstallationLive.js"
import { LogsLive } from "../layers/LogsLive.js"
import { PartialResultsLive } from "../layers/PartialResultsLive.js"
import { ProcessesLive } from "../layers/ProcessesLive.js"
import { SettingsKeyless, SettingsLive } from "../layers/SettingsLive.js"
import { TokensLive } from "../layers/TokensLive.js"
import { VersionsSemver } from "../layers/VersionsSemver.js"
import type { Narrator } from "../services/Narrator.js"
import { Tokens } from "../services/Tokens.js"
import { Reported } from "./exit.js"
import { errorBlock } from "./render/error.js"
import { narratorTerminal, type Telling } from "./render/narrator.js"
import { askPassphrase, canAsk } from "./render/passphrase.js"
import { toStderr, toStdout } from "./render/terminal.js"
import { unlocking } from "./unlocking.js"

/** At a terminal the passphrases of locked keys are asked for. */
const Queens = Layer.unwrapEffect(
  Effect.sync(() => unlocking(canAsk() ? Option.some(askPassphrase) : Option.none()))
).pipe(Layer.provide(QueenClientHttp))
const Clients = Layer.mergeAll(Queens, WorkerClientHttp, HiveClientHttp)
const Machine = Layer.provideMerge(DaemonsLive, Layer.mergeAll(ProcessesLive, InstallationLive))

const Parts = Layer.mergeAll(Clients, Machine, PartialResultsLive, LogsLive, TokensLive, VersionsSemver)

/** Everything that a keeper's program may ask for, but for how it is told. */
export const KeeperLive = Layer.provideMerge(Parts, SettingsLive)

/** The same for what asks no queen: what one runs on a node, what stops a daemon. A broken token file is no reason not to. */
const NodeLive = Layer.provideMerge(Parts, SettingsKeyless)

/** How a command tells what it does. */
export interface TellOptions {
  readonly telling: Telling
  /** The node that the command is for, for the error block. */
  readonly node?: string
  /** Whether it runs without the key of a configured queen. */
  readonly keyless?: boolean
}

/** Shows an error as users are to see it, and leaves the exit code. */
export const reportError =
  ({ telling, node }: TellOptions) =>
  (error: unknown): Effect.Effect<never, Reported> =>
    Effect.gen(function* () {
      if (error instanceof Reported) return yield* error
      if (!isRbeeError(error)) {
        yield* toStderr(`[rbee-keeper] ❌ ${wordsOf(error)}\n`)
        return yield* new Reported({ code: 1 })
      }
      if (telling === "json") yield* toStdout(`${yield* Effect.orDie(encodeError({ type: "error", error }))}\n`)
      yield* toStderr(errorBlock(error, node))
      return yield* new Reported({ code: describe(error).exit })
    })

/** Errors outside the catalogue: what is wrong with the configuration, or with starting at all. */
const wordsOf = (error: unknown): string => {
  if (!ConfigError.isConfigError(error)) return messageOf(error)
  const problem =
    error._op === "InvalidData" || error._op === "MissingData"
      ? `${error.path.join(".")}: ${error.message}`
      : `${error}`
  return `Invalid configuration: ${problem}\n\n  Suggestion: config.example.toml shows every setting with its default.`
}

const isRbeeError = Schema.is(RbeeError)
const encodeError = Schema.encode(Schema.parseJson(ErrorEvent))

/** Runs a keeper's program: on the live graph, told to the user, under a correlation id of its own. */
export const runKeeper = <A, E>(
  program: Effect.Effect<A, E, Layer.Layer.Success<typeof KeeperLive> | Narrator>,
  options: TellOptions
): Effect.Effect<A, Reported> =>
  Effect.flatMap(Tokens, (tokens) =>
    Effect.flatMap(tokens.id, (id) => Effect.provideService(program, CorrelationId, id))
  ).pipe(
    Effect.provide(Layer.merge(options.keyless === true ? NodeLive : KeeperLive, narratorTerminal(options.telling))),
    Effect.catchAll(reportError(options))
  )
