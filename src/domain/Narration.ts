/** What people read while work is done: narration lines and progress figures. On the wire and in memory they look the same. */
import * as Schema from "effect/Schema"
import { Bytes, Count, Megabytes } from "./Units.js"

const type = <T extends string>(name: T) =>
  Schema.Literal(name).pipe(
    Schema.propertySignature,
    Schema.withConstructorDefault((): T => name)
  )

/** Progress may come without its type: `stage` tells it, and a worker in another language may leave the type out. */
const progress = Schema.optionalWith(Schema.Literal("progress"), { default: () => "progress" as const })

/** Who speaks. */
export const Actor = Schema.Literal("rbee-keeper", "queen-rbee", "rbee-hive", "llm-worker-rbee", "tokenizer")
export type Actor = typeof Actor.Type

/** One line for a human, shown on stderr as `[actor] emoji text`. */
export const Narration = Schema.Struct({
  type: type("narration"),
  actor: Actor,
  human: Schema.String,
  emoji: Schema.String
})
export type Narration = typeof Narration.Type

/** A model file on its way: bytes so far and in all, megabytes (10^6) a second. */
export const DownloadProgress = Schema.Struct({
  type: progress,
  stage: Schema.Literal("downloading"),
  bytes_downloaded: Bytes,
  bytes_total: Bytes,
  speed_mbps: Schema.Finite.pipe(Schema.nonNegative())
})
export type DownloadProgress = typeof DownloadProgress.Type

/** A model on its way into memory: layers so far and in all, and the VRAM taken where the device is a GPU. */
export const LoadingProgress = Schema.Struct({
  type: progress,
  stage: Schema.Literal("loading_to_ram", "loading_to_vram"),
  layers_loaded: Count,
  layers_total: Count,
  vram_mb: Megabytes
})
export type LoadingProgress = typeof LoadingProgress.Type

/** A package on its way to a node: bytes so far and in all. */
export const UploadProgress = Schema.Struct({
  type: progress,
  stage: Schema.Literal("uploading"),
  bytes_uploaded: Bytes,
  bytes_total: Bytes
})
export type UploadProgress = typeof UploadProgress.Type

/** Figures that a progress bar shows. */
export const Progress = Schema.Union(DownloadProgress, LoadingProgress, UploadProgress)
export type Progress = typeof Progress.Type

/** What a phase says while it runs. */
export const Report = Schema.Union(Narration, Progress)
export type Report = typeof Report.Type
