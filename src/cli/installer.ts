/**
 * The program that installs rbee on a node, and removes it. Its request is the first line of standard input; when that ends,
 * whoever asked is gone, and it leaves things as they were. It tells what it does as lines of JSON on standard output.
 */
import { createInterface } from "node:readline"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { InstallerEvent, InstallRequest } from "../domain/Install.js"
import { doOnNode } from "../layers/install/onNode.js"

const tell = (event: InstallerEvent): Effect.Effect<void> =>
  Effect.map(Effect.orDie(Schema.encode(InstallerEvent)(event)), (line) => {
    process.stdout.write(`${JSON.stringify(line)}\n`)
  })

/** The first line of standard input, and its end. */
const readInput = Effect.sync(() => {
  const lines = createInterface({ input: process.stdin })
  const first = new Promise<string>((resolve) => lines.once("line", resolve))
  const end = new Promise<void>((resolve) => lines.once("close", resolve))
  return { first, end }
})

/** Runs to its end, or to the end of standard input. */
export const main = (): void => {
  process.stdout.on("error", () => {}) // the end of standard input follows
  NodeRuntime.runMain(
    Effect.gen(function* () {
      const { first, end } = yield* readInput
      const work = Effect.promise(() => first).pipe(
        Effect.flatMap(Schema.decode(Schema.parseJson(InstallRequest))),
        Effect.orDie, // our own queen wrote it
        Effect.flatMap((request) => doOnNode(request, tell)),
        Effect.flatMap(tell),
        Effect.tapError((error) => tell({ type: "failed", error })),
        Effect.tapDefect((cause) => Effect.sync(() => process.stderr.write(`${Cause.pretty(cause)}\n`)))
      )
      yield* Effect.raceFirst(
        work,
        Effect.zipRight(
          Effect.promise(() => end),
          Effect.interrupt
        )
      )
    }),
    {
      disablePrettyLogger: true,
      disableErrorReporting: true, // all was told
      teardown: (exit) => process.exit(Exit.isSuccess(exit) ? 0 : 1) // standard input may still be open
    }
  )
}
