/** A model hub in memory: downloads with progress, at a pace, with faults. What is fetched is then on the node's disk. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelNotFound } from "../domain/errors/Model.js"
import type { HubListing } from "../domain/HubFiles.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel } from "../domain/ModelRef.js"
import { DownloadProgress } from "../domain/Narration.js"
import { type FetchError, ModelHub } from "../services/ModelHub.js"
import { report } from "../services/Narrator.js"
import { type Journal, makeJournal } from "./journal.js"
import { ModelFilesTest, type TestFile } from "./ModelFilesTest.js"

/** A model of the hub. */
export interface TestDownload extends TestFile {
  /** The file's name; by default the repository's, with `.gguf`. */
  readonly file_name?: string
  /** How much of it an earlier download left. */
  readonly bytes_present?: number
  /** The time that the whole download takes. */
  readonly takes?: Duration.DurationInput
  /** What it fails with, after half of its bytes. */
  readonly fault?: FetchError
}

/** What happened, in order. */
export type HubEvent =
  | { readonly _tag: "begun"; readonly reference: string }
  | { readonly _tag: "done"; readonly reference: string }
  | { readonly _tag: "discarded"; readonly path: string }

/** How many progress events a download has. */
const steps = 4
/** Every repository's only commit. */
const commit = "0".repeat(40)

/** The tests' side of {@link ModelHub}. */
export class ModelHubTest extends Context.Tag("rbee/ModelHubTest")<
  ModelHubTest,
  { readonly journal: Effect.Effect<ReadonlyArray<HubEvent>> }
>() {
  /** The double, with these models by their reference; any other is not found. */
  static readonly layer = (
    models: Readonly<Record<string, TestDownload>> = {}
  ): Layer.Layer<ModelHub | ModelHubTest, never, ModelFilesTest> =>
    Layer.effectContext(
      Effect.map(ModelFilesTest, (files) => {
        const journal = makeJournal<HubEvent>()
        return Context.make(ModelHub, make(models, files, journal)).pipe(
          Context.add(ModelHubTest, ModelHubTest.of({ journal: journal.entries }))
        )
      })
    )
}

const make = (
  models: Readonly<Record<string, TestDownload>>,
  files: ModelFilesTest["Type"],
  { note }: Journal<HubEvent>
) => {
  const nameOf = (model: HubModel, { file_name }: TestDownload) => file_name ?? `${model.repo.replace("/", "--")}.gguf`
  const get = (model: HubModel) => {
    const reference = model.toString()
    const found = models[reference]
    return found === undefined
      ? Effect.fail(new ModelNotFound({ reference, missing: "repository", near: Object.keys(models) }))
      : Effect.succeed(found)
  }
  return ModelHub.of({
    find: (model) =>
      Effect.map(get(model), (found): HubListing => {
        const { size_bytes } = found
        return { commit, files: [{ path: nameOf(model, found), size_bytes, sha256: "0".repeat(64) }] }
      }),
    arrival: (model, listing) =>
      Effect.sync(() => ({
        local_path: `/models/${listing.files[0].path}`,
        bytes_present: models[model.toString()]?.bytes_present ?? 0
      })),
    fetch: Effect.fnUntraced(function* (model, listing) {
      const reference = model.toString()
      const found = yield* get(model)
      const { size_bytes, fault, gguf } = found
      const local_path = `/models/${listing.files[0].path}`
      yield* note({ _tag: "begun", reference })
      for (let step = 1; step <= (fault === undefined ? steps : steps / 2); step++) {
        yield* Effect.sleep(Duration.times(found.takes ?? 0, 1 / steps))
        const bytes_downloaded = Math.floor((size_bytes * step) / steps)
        yield* report(
          DownloadProgress.make({ stage: "downloading", bytes_downloaded, bytes_total: size_bytes, speed_mbps: 10 })
        )
      }
      if (fault !== undefined) return yield* Effect.fail(fault)
      yield* files.write(local_path, { size_bytes, ...(gguf === undefined ? {} : { gguf }) })
      yield* note({ _tag: "done", reference })
      const file: ModelFile = { provider: "hf", reference, local_path, size_bytes, sha256: "0".repeat(64) }
      return file
    }),
    discard: (path) => Effect.zipRight(files.remove(path), note({ _tag: "discarded", path }))
  })
}
