/** A model hub in memory: downloads with progress, at a pace, with faults. What is fetched is then on the node's disk. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { ModelNotFound } from "../domain/errors/Model.js"
import type { ModelFile } from "../domain/Model.js"
import type { HubModel } from "../domain/ModelRef.js"
import { DownloadProgress } from "../domain/Narration.js"
import { type DownloadError, ModelHub } from "../services/ModelHub.js"
import { type Journal, makeJournal } from "./journal.js"
import { ModelFilesTest } from "./ModelFilesTest.js"

/** A model of the hub. */
export interface TestDownload {
  readonly size_bytes: number
  /** The file's name; by default the repository's, with `.gguf`. */
  readonly file_name?: string
  /** The time that the whole download takes. */
  readonly takes?: Duration.DurationInput
  /** What it fails with, after half of its bytes. */
  readonly fault?: DownloadError
}

/** What happened, in order. */
export type HubEvent =
  | { readonly _tag: "begun"; readonly reference: string }
  | { readonly _tag: "done"; readonly reference: string }

/** How many progress events a download has. */
const steps = 4

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
        return Context.make(ModelHub, ModelHub.of({ fetch: fetchFrom(models, files, journal) })).pipe(
          Context.add(ModelHubTest, ModelHubTest.of({ journal: journal.entries }))
        )
      })
    )
}

const fetchFrom =
  (models: Readonly<Record<string, TestDownload>>, files: ModelFilesTest["Type"], { note }: Journal<HubEvent>) =>
  (model: HubModel): Stream.Stream<DownloadProgress | ModelFile, DownloadError> => {
    const reference = model.toString()
    const found = models[reference]
    if (found === undefined) return Stream.fail(new ModelNotFound({ reference, near: Object.keys(models) }))
    const { size_bytes, fault } = found
    const local_path = `/models/${found.file_name ?? `${model.repo.replace("/", "--")}.gguf`}`
    const pause = Duration.times(found.takes ?? 0, 1 / steps)
    const step = (n: number) =>
      DownloadProgress.make({
        stage: "downloading",
        bytes_downloaded: Math.floor((size_bytes * n) / steps),
        bytes_total: size_bytes,
        speed_mbps: 10
      })
    const progress = Stream.range(1, fault === undefined ? steps : steps / 2).pipe(
      Stream.mapEffect((n) => Effect.as(Effect.sleep(pause), step(n)))
    )
    const finish = Effect.gen(function* () {
      if (fault !== undefined) return yield* Effect.fail(fault)
      yield* files.write(local_path, { size_bytes })
      yield* note({ _tag: "done", reference })
      const file: ModelFile = { provider: "hf", reference, local_path, size_bytes, sha256: "0".repeat(64) }
      return file
    })
    return Stream.unwrap(
      Effect.as(note({ _tag: "begun", reference }), Stream.concat(progress, Stream.fromEffect(finish)))
    )
  }
