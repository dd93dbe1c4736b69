/** The hive's programs on a machine in memory: with room that changes, or is in pieces, as no real machine's can be made to. */
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as Fiber from "effect/Fiber"
import type { Backend } from "../../src/domain/Device.js"
import type { SpawnError } from "../../src/domain/errors/Phases.js"
import { localhost } from "../../src/domain/Ids.js"
import type { Placement } from "../../src/domain/Placement.js"
import type { WorkerInfo } from "../../src/domain/Worker.js"
import { type PreflightError, resourcePreflight } from "../../src/programs/08-resourcePreflight.js"
import { hostWorker } from "../../src/programs/hostWorker.js"
import { Narrator } from "../../src/services/Narrator.js"
import { MemoryTest } from "../../src/testing/MemoryTest.js"
import { ModelFilesTest } from "../../src/testing/ModelFilesTest.js"
import { ProcessesTest } from "../../src/testing/ProcessesTest.js"
import type { TestWorld } from "../../src/testing/TestRbee.js"
import { inWorld, lines } from "../../test/support/inWorld.js"
import { mb, modelEntry, placementRequest, ref, spawnRequest } from "../../test/support/samples.js"

/** The model that is asked for, of the catalog or of the hub. */
const reference = "hf:someone/stories"

/** A machine with room for anything, before features say otherwise. */
export const catalogWith = (size_mb: number): TestWorld => ({
  models: [modelEntry({ provider: "hf", reference, size_bytes: size_mb * mb })]
})
export const hubWith = (size_mb: number): TestWorld => ({ hub: { [reference]: { size_bytes: size_mb * mb } } })

/** What happens between the request and its answer. */
export type Meanwhile = "nothing" | "the kernel kills it" | { readonly ram_drops_to_mb: number }

/** What a request for a worker came to. */
export interface Outcome {
  readonly worker: WorkerInfo | null
  readonly refusal: SpawnError | null
  readonly told: ReadonlyArray<string>
  /** The processes that run afterwards. */
  readonly alive: ReadonlyArray<number>
  /** All files of the node. */
  readonly files: ReadonlyArray<string>
}

/** Asks the hive of that machine for a worker: phases 3b and 5 to 11. */
export const askForWorker = (world: TestWorld, backend: Backend, meanwhile: Meanwhile): Promise<Outcome> =>
  Effect.gen(function* () {
    const request = spawnRequest({ model: ref(reference), backend })
    const asking = Effect.either(hostWorker(localhost, request, "http://127.0.0.1:9200/v1/workers/ready"))
    const answer = yield* meanwhile === "nothing"
      ? asking
      : meanwhile === "the kernel kills it"
        ? killing(asking)
        : dropping(asking, meanwhile.ram_drops_to_mb)
    return {
      worker: Either.isRight(answer) ? answer.right.worker : null,
      refusal: Either.isLeft(answer) ? answer.left : null,
      told: yield* lines,
      alive: yield* (yield* ProcessesTest).alive,
      files: yield* (yield* ModelFilesTest).paths
    }
  }).pipe(
    // A worker that the kernel kills never gets as far as to call the hive.
    inWorld(meanwhile === "the kernel kills it" ? { ...world, processes: { launch: () => ({}) } } : world),
    Effect.runPromise
  )

/** The kernel kills the worker's process as soon as there is one. */
const killing = <A, E, R>(asking: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const processes = yield* ProcessesTest
    const fiber = yield* Effect.fork(asking)
    const alive = Effect.zipRight(Effect.yieldNow(), processes.alive)
    const pids = yield* Effect.repeat(alive, { until: (found) => found.length > 0 })
    yield* Effect.flatMap(MemoryTest, (memory) => memory.killForMemory)
    yield* Effect.forEach(pids, (pid) => processes.end(pid, { code: null, signal: "SIGKILL" }))
    return yield* Fiber.join(fiber)
  })

/** Somebody else takes RAM once the hive has told that there is enough. */
const dropping = <A, E, R>(asking: Effect.Effect<A, E, R | Narrator>, ram_available_mb: number) =>
  Effect.gen(function* () {
    const memory = yield* MemoryTest
    const { report } = yield* Narrator
    const watching = Narrator.of({
      report: (what) =>
        Effect.zipRight(
          report(what),
          what.type === "narration" && what.human.startsWith("Room:")
            ? memory.change({ ram_available_mb })
            : Effect.void
        )
    })
    return yield* Effect.provideService(asking, Narrator, watching)
  })

// --- room alone ----------------------------------------------------------------------------------------------------

/** What phase 8 says. */
export type Verdict = Either.Either<Placement, PreflightError>

/** Loads of a model of that size, asked for at once and none of them done before the last is answered. */
export const askForRoom = (world: TestWorld, size_mb: number, count: number): Promise<ReadonlyArray<Verdict>> =>
  Effect.all(
    Array.from({ length: count }, () =>
      Effect.either(resourcePreflight(placementRequest(size_mb, { backend: "cuda" })))
    ),
    { concurrency: "unbounded" }
  ).pipe(inWorld(world), Effect.runPromise)

/** A request on a machine, both of any kind. */
export interface Case {
  readonly size_bytes: number
  readonly backend: Backend
  readonly device: number | null
  readonly ram_available_mb: number
  /** The GPUs by their index; none is a machine without a driver. */
  readonly gpus: ReadonlyArray<{ readonly vram_free_mb: number; readonly temperature_c: number }>
}

const anyCase: FastCheck.Arbitrary<Case> = FastCheck.record({
  size_bytes: FastCheck.integer({ min: 1, max: 40_000 * mb }),
  backend: FastCheck.constantFrom("cpu", "cuda", "metal"),
  device: FastCheck.option(FastCheck.integer({ min: 0, max: 4 })),
  ram_available_mb: FastCheck.integer({ min: 0, max: 96_000 }),
  gpus: FastCheck.array(
    FastCheck.record({
      vram_free_mb: FastCheck.integer({ min: 0, max: 80_000 }),
      temperature_c: FastCheck.integer({ min: 20, max: 100 })
    }),
    { maxLength: 4 }
  )
})

export const sampleCases = (count: number): ReadonlyArray<Case> => FastCheck.sample(anyCase, count)

/** Asks for one. */
export const decide = ({ size_bytes, backend, device, ram_available_mb, gpus }: Case): Promise<Verdict> => {
  const request = { ...placementRequest(0, { backend, device }), model: modelEntry({ size_bytes }) }
  const machine = {
    ram_available_mb,
    gpus: gpus.length === 0 ? "no driver" : gpus.map((gpu, index) => ({ index, ...gpu }))
  }
  return Effect.either(resourcePreflight(request)).pipe(inWorld(machine), Effect.runPromise)
}

/** Where phases.md puts it: none of these devices is wrong, and where there is none, it has to be refused. */
export const ruleFor = ({ size_bytes, backend, device, ram_available_mb, gpus }: Case): ReadonlyArray<string> => {
  const ram_mb = Math.ceil(Math.ceil((size_bytes * 12) / 10) / mb)
  if (ram_available_mb < ram_mb || backend === "metal") return []
  if (backend === "cpu") return device === null || device === 0 ? ["cpu:0"] : []
  const fitting = gpus
    .map((gpu, index) => ({ ...gpu, index }))
    .filter(({ index }) => device === null || index === device)
    .filter(({ temperature_c, vram_free_mb }) => temperature_c < 80 && vram_free_mb * mb >= size_bytes)
  const most = Math.max(...fitting.map(({ vram_free_mb }) => vram_free_mb))
  return fitting.filter(({ vram_free_mb }) => vram_free_mb === most).map(({ index }) => `cuda:${index}`)
}
