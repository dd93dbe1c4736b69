/** Builds in memory: what can be built, how long it takes, and how it fails. Reports go to whoever asked first. */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ProvisionError } from "../domain/errors/Phases.js"
import type { BuildOrder, WorkerBinaryEntry } from "../domain/WorkerBinary.js"
import { Builds } from "../services/Builds.js"
import { voiceOf } from "../services/Narrator.js"
import { makeJournal } from "./journal.js"

const say = voiceOf("rbee-hive")

const home = "/home/rbee/builds"

/** What the sources of a worker type come to. */
export interface TestBuild {
  /** What the built file answers to `--version`. */
  readonly version?: string
  readonly takes?: Duration.DurationInput
  /** What the build prints. */
  readonly says?: ReadonlyArray<string>
  /** What it complains of, where it fails. */
  readonly fails?: ReadonlyArray<string>
  /** What is wrong with the built file. */
  readonly unfit?: string
}

/** What the machine is like. */
export interface BuildsTestOptions {
  readonly cuda_toolkit?: boolean
  /** By the worker type; the sources of any other do not build. */
  readonly sources?: Readonly<Record<string, TestBuild>>
}

/** The tests' side of {@link Builds}. */
export class BuildsTest extends Context.Tag("rbee/BuildsTest")<
  BuildsTest,
  {
    /** What was built, also in vain, in order. */
    readonly orders: Effect.Effect<ReadonlyArray<BuildOrder>>
    /** Removes a built file. */
    readonly vanish: (binary_path: string) => Effect.Effect<void>
  }
>() {
  /** The double. */
  static readonly layer = (options: BuildsTestOptions = {}): Layer.Layer<Builds | BuildsTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const make = ({ cuda_toolkit = false, sources = {} }: BuildsTestOptions) => {
  const journal = makeJournal<BuildOrder>()
  const files = new Map<string, TestBuild>()
  const folders = new Set<string>()
  const running = new Map<string, Deferred.Deferred<WorkerBinaryEntry, ProvisionError>>()
  const builds = Builds.of({
    hasCudaToolkit: Effect.succeed(cuda_toolkit),
    build: (order) =>
      Effect.gen(function* () {
        yield* journal.note(order)
        const { worker_type, features } = order
        const recipe: TestBuild = sources[worker_type] ?? { fails: [`no bin target named ${worker_type}`] }
        const folder = [home, worker_type, features.join("+") || "plain"].join("/")
        folders.add(folder)
        for (const line of recipe.says ?? []) yield* say("🔧", line)
        yield* Effect.sleep(recipe.takes ?? 0)
        if (recipe.fails !== undefined) return yield* Effect.fail({ lines: recipe.fails })
        const path = `${folder}/${worker_type}`
        files.set(path, recipe)
        return path
      }),
    discard: (used) =>
      Effect.sync(() => {
        const gone = [...folders].filter((folder) => !used.some((path) => path.startsWith(`${folder}/`)))
        for (const folder of gone) folders.delete(folder)
        return gone.map((folder) => folder.replace(`${home}/`, ""))
      }),
    sweep: Effect.void,
    exists: (path) => Effect.sync(() => files.has(path)),
    verify: (path) =>
      Effect.suspend(() => {
        const { unfit = null, version = "1.0.0" } = files.get(path) ?? { unfit: "there is no such file" }
        return unfit === null ? Effect.succeed(version) : Effect.fail({ reason: unfit })
      }),
    join: (name, work) =>
      Effect.suspend(() => {
        const known = running.get(name)
        if (known !== undefined) return Deferred.await(known)
        return Effect.flatMap(Deferred.make<WorkerBinaryEntry, ProvisionError>(), (done) => {
          running.set(name, done)
          return Effect.onExit(work, (exit) => {
            running.delete(name)
            return Deferred.done(done, exit)
          })
        })
      })
  })
  const control = BuildsTest.of({
    orders: journal.entries,
    vanish: (path) => Effect.sync(() => void files.delete(path))
  })
  return Context.make(Builds, builds).pipe(Context.add(BuildsTest, control))
}
