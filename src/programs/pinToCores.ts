import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type CoreLoad, lessBusy } from "../domain/Cores.js"
import type { SpawnRequest } from "../domain/Worker.js"
import { Cpu } from "../services/Cpu.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Processes } from "../services/Processes.js"

const say = voiceOf("rbee-hive")

/** What `taskset` may take to do nothing. */
const try_within = Duration.seconds(5)

/** A command that is pinned, or not, and how many threads it gets. */
export interface Pinning {
  readonly command: Command
  readonly threads: number | null
}

type Command = readonly [string, ...Array<string>]

/**
 * Gap-R4: a CPU worker that is to be pinned runs on the less busy cores, measured now, with a thread for each unless it was asked for
 * another number. Pinning makes it faster, not right: where it cannot be had, that is told and the worker starts without.
 */
export const pinToCores: (
  request: Pick<SpawnRequest, "backend" | "pin" | "threads">,
  command: Command
) => Effect.Effect<Pinning, never, Cpu | Processes | Narrator> = Effect.fn("rbee.pinToCores")(function* (
  { backend, pin, threads },
  command
) {
  const unpinned = { command, threads }
  if (!pin) return unpinned
  if (backend !== "cpu") return yield* Effect.as(say("⚠️", "Not pinned: only CPU workers are"), unpinned)
  const cores = lessBusy(yield* Effect.flatMap(Cpu, ({ cores }) => cores), threads)
  if (cores.length === 0) {
    return yield* Effect.as(say("⚠️", "Not pinned: this system does not tell how busy its cores are"), unpinned)
  }
  const pinned: Command = ["taskset", "-c", cores.map(({ core }) => core).join(",")]
  const problem = yield* tryIt(pinned)
  if (problem !== null) {
    return yield* Effect.as(say("⚠️", `Not pinned: taskset (of util-linux) cannot be used: ${problem}`), unpinned)
  }
  yield* say("📌", `Pinned to ${inWords(cores)}`)
  return { command: [...pinned, ...command], threads: threads ?? cores.length }
})

/** What speaks against it, if anything does: it is tried with a command that does nothing. */
const tryIt = (pinned: Command) =>
  Effect.gen(function* () {
    const { run } = yield* Processes
    const { exit_code, stderr } = yield* run([...pinned, "true"], { timeout: try_within })
    return exit_code === 0 ? null : (stderr.trim().split("\n")[0] ?? `exit code ${exit_code}`)
  }).pipe(Effect.catchAll(({ reason }) => Effect.succeed(reason)))

/** `cores 1 (3 % busy), 3 (10 % busy)` */
const inWords = (cores: ReadonlyArray<CoreLoad>) => {
  const each = cores.map(({ core, busy_percent }) => `${core} (${Math.round(busy_percent)} % busy)`)
  return `${each.length === 1 ? "core" : "cores"} ${each.join(", ")}`
}
