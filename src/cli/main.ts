/** The commands, and how they are run. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { version } from "../domain/Version.js"
import { rbee } from "./commands/rbee.js"
import { exitCode } from "./exit.js"

const run = Command.run(rbee, { name: "rbee", version })

/** Logs are lines for people at a terminal and JSON lines in a file; always on stderr, since stdout is for data. */
const logger = Logger.replace(
  Logger.defaultLogger,
  process.stderr.isTTY === true ? Logger.prettyLogger({ stderr: true }) : Logger.withConsoleError(Logger.jsonLogger)
)

/**
 * The second signal ends us at once. The listener stays for good: libraries that watch signals too would end the process
 * at the first one, in the middle of its drain, if they found themselves alone.
 */
const endAtSecondSignal = (): void => {
  let signals = 0
  const count = () => {
    signals += 1
    if (signals > 1) process.exit(130)
  }
  process.on("SIGINT", count).on("SIGTERM", count)
}

/** Whether these arguments run a daemon: for those, being told to stop is the proper end. */
const isDaemon = ([role = "", verb = ""]: ReadonlyArray<string>): boolean =>
  ["queen", "hive", "worker"].includes(role) && ["serve", "daemon"].includes(verb)

/** Nobody expected it, so nobody has told of it: it is a bug of rbee, and shown whole. */
const showDefect = (cause: Cause.Cause<never>): Effect.Effect<void> =>
  Effect.sync(() => process.stderr.write(`❌ rbee itself went wrong:\n${Cause.pretty(cause)}\n`))

/** Runs the command that the arguments ask for. */
export const main = (node: string, script: string, args: ReadonlyArray<string>): void => {
  endAtSecondSignal()
  NodeRuntime.runMain(
    run([node, script, ...args]).pipe(
      Effect.tapDefect(showDefect),
      Effect.provide(Layer.mergeAll(NodeContext.layer, CliConfig.layer({ showBuiltIns: false }), logger))
    ),
    {
      disableErrorReporting: true, // every error has been shown by then, defects as well
      disablePrettyLogger: true,
      // All scopes are closed by now. A socket that a library keeps in its pool must not hold the process open.
      teardown: (exit) => process.exit(exitCode(exit, isDaemon(args) ? 0 : 130))
    }
  )
}
