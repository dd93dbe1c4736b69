/** Models and plans as the terminal shows them. */
import { describe } from "../../domain/errors/Catalogue.js"
import type { GgufInfo } from "../../domain/Gguf.js"
import type { MemoryBreakdown } from "../../domain/MemoryNeeds.js"
import type { ModelEntry } from "../../domain/Model.js"
import type { ModelInfo, SpawnPlan, TaskPlan } from "../../domain/Plan.js"
import { megabytes, megabytesNeeded } from "../../domain/Units.js"
import { brief, localTime, paragraph } from "./text.js"

/** A model as `models list` shows it. */
export const entryText = ({
  reference,
  size_bytes,
  quantization,
  downloaded_at_unix,
  local_path
}: ModelEntry): string =>
  paragraph(reference, [
    ["size", `${megabytes(size_bytes)} MB${quantization === null ? "" : `, ${quantization}`}`],
    ["since", localTime(downloaded_at_unix)],
    ["file", local_path]
  ])

/** A model as `models info` shows it. */
export const infoText = (info: ModelInfo): string =>
  paragraph(info.reference, [
    ["size", `${megabytes(info.size_bytes)} MB${info.quantization === null ? "" : `, ${info.quantization}`}`],
    ...(info.bytes_to_fetch === 0
      ? [["file", info.local_path] as const]
      : [["to fetch", `${megabytes(info.bytes_to_fetch)} MB`] as const]),
    ...(info.sha256 === null ? [] : [["sha256", info.sha256] as const]),
    ...(info.downloaded_at_unix === null ? [] : [["since", localTime(info.downloaded_at_unix)] as const]),
    ...(info.gguf === null ? [] : headerLines(info.gguf))
  ])

const headerLines = (gguf: GgufInfo): ReadonlyArray<readonly [string, string]> => [
  ...(gguf.name === null ? [] : [["name", brief(gguf.name, 13)] as const]),
  ["model", brief(`${gguf.architecture}, ${inWords(gguf.parameters)} parameters, ${gguf.layers} layers`, 13)],
  ["context", gguf.context_length === null ? "not told" : `${gguf.context_length} tokens`],
  ["vocabulary", `${gguf.vocabulary_size}${gguf.eos_token_id === null ? "" : `, end token ${gguf.eos_token_id}`}`],
  ["template", gguf.chat_template === null ? "none" : `for chats, ${gguf.chat_template.length} characters`]
]

/** `1.1 B`, `162 M` */
const inWords = (count: number): string =>
  count >= 1e9 ? `${(count / 1e9).toFixed(1)} B` : count >= 1e6 ? `${(count / 1e6).toFixed(0)} M` : `${count}`

/** A plan as `plan` shows it. */
export const planText = ({ node, backend, reuses, spawn }: TaskPlan): string =>
  spawn === null
    ? paragraph(`${node}  ready`, [["worker", `${reuses} has the model and would be used again`]])
    : paragraph(`${node}  ${spawn.failure === null ? "fits" : "would fail"}`, spawnLines(backend, spawn))

const spawnLines = (
  backend: TaskPlan["backend"],
  { model, needs, memory, placement, resources, failure }: SpawnPlan
): ReadonlyArray<readonly [string, string]> => [
  ...(model === null
    ? []
    : [
        ["model", brief(`${model.reference}, ${megabytes(model.size_bytes)} MB`, 13)] as const,
        [
          "fetch",
          model.bytes_to_fetch === 0
            ? "nothing: it is on the node"
            : `${megabytes(model.bytes_to_fetch)} MB; ${resources.disk_free_mb} MB disk free`
        ] as const
      ]),
  ...(needs === null
    ? []
    : [
        ["RAM", `${needs.ram_mb} MB needed, ${resources.ram_available_mb} MB available`] as const,
        ...(needs.vram_mb === 0
          ? []
          : [["VRAM", brief(`${needs.vram_mb} MB needed${vramFree(resources)}`, 13)] as const])
      ]),
  ...(memory === null ? [] : [["of which", partsOf(memory)] as const]),
  ["worker", placement === null ? `would not start on ${backend}` : `would start on ${placement.device}`],
  ...(failure === null ? [] : [["fails", brief(describe(failure).message, 13)] as const])
]

/** `weights 590 MB, KV cache 22 MB, overhead 128 MB` */
const partsOf = ({ weights_bytes, kv_bytes, overhead_bytes }: MemoryBreakdown): string => {
  const inMb = (bytes: number) => `${megabytesNeeded(bytes)} MB`
  return `weights ${inMb(weights_bytes)}, KV cache ${inMb(kv_bytes)}, overhead ${inMb(overhead_bytes)}`
}

const vramFree = ({ gpus }: SpawnPlan["resources"]): string =>
  gpus.length === 0 ? "" : `, ${gpus.map(({ device, vram_free_mb }) => `${device} has ${vram_free_mb} MB`).join(", ")}`
