import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { GpuDevice, type UnusableGpu } from "../domain/Device.js"
import { BackendUnavailable, CudaUnavailable } from "../domain/errors/Resource.js"
import { Gpu } from "../services/Gpu.js"
import { Processes } from "../services/Processes.js"

/** All of them are known to every driver that the engine runs on. */
const fields = ["index", "uuid", "name", "memory.total", "memory.free", "temperature.gpu", "mig.mode.current"] as const

/** How long the driver may take: one that hangs must not hang us. */
const usual_patience = Duration.seconds(4)

// --- a line, a device ----------------------------------------------------------------------------------------------

/** What `nvidia-smi` prints where a device has no such thing; any other words are those of a broken one: `ERR!`, `[GPU is lost]`. */
const untold = ["[N/A]", "N/A", "[Not Supported]", "[Insufficient Permissions]"]

const Line = Schema.Tuple(
  Schema.NumberFromString.pipe(Schema.int(), Schema.nonNegative()),
  Schema.NonEmptyString,
  Schema.NonEmptyString,
  Schema.String,
  Schema.String,
  Schema.String,
  Schema.String
)
type Line = typeof Line.Type

const isFigure = (text: string) => /^\d{1,9}$/.test(text)
const isTemperature = (text: string) => /^-?\d{1,4}$/.test(text)

/** How much is told of a line that is none of a device's. */
const words_max = 200

/** Why the device of that line cannot be used; nothing where it can. A broken one has words for figures. */
const whyUnusable = ([index, , , total, free, temperature, mig]: Line): string | undefined => {
  for (const [field, said] of [
    ["memory.total", total],
    ["memory.free", free]
  ] as const) {
    if (untold.includes(said))
      return `the driver does not tell its memory (${field} is ${said}), as where it shares the RAM`
    if (!isFigure(said)) return `${field} is ${said}`
  }
  if (!isTemperature(temperature) && !untold.includes(temperature)) return `temperature.gpu is ${temperature}`
  // A device that is cut into instances has none left that is the whole.
  return mig === "Enabled" ? `MIG mode is on; to use the whole device: nvidia-smi -i ${index} -mig 0` : undefined
}

const readLine = (text: string): Either.Either<GpuDevice, UnusableGpu> =>
  Either.match(Schema.decodeUnknownEither(Line)(text.split(",").map((field) => field.trim())), {
    onLeft: () => Either.left({ index: null, reason: `nvidia-smi: ${text.trim().slice(0, words_max)}` }),
    onRight: (line) => {
      const [index, uuid, name, total, free, temperature] = line
      const reason = whyUnusable(line)
      if (reason !== undefined) return Either.left({ index, reason: `${name}: ${reason}` })
      return Either.right(
        GpuDevice.make({
          ...{ index, uuid, name, vram_total_mb: Number(total), vram_free_mb: Number(free) },
          vram_largest_block_mb: null, // nvidia-smi knows nothing of blocks
          temperature_c: isTemperature(temperature) ? Number(temperature) : null
        })
      )
    }
  })

// --- the answer ----------------------------------------------------------------------------------------------------

const unavailable = (reason: string) => new CudaUnavailable({ reason })

/** The reason why no device at all can be used: the first's, which is mostly everyone's. */
const noneUsable = ([first, ...others]: Arr.NonEmptyReadonlyArray<UnusableGpu>) => {
  const which = first.index === null ? "" : `device ${first.index}, `
  return unavailable(`${which}${first.reason}${others.length === 0 ? "" : ` (${others.length} more cannot be used)`}`)
}

const make = Effect.fnUntraced(function* (patience: Duration.Duration) {
  const { run } = yield* Processes
  const query = run(["nvidia-smi", `--query-gpu=${fields.join(",")}`, "--format=csv,noheader,nounits"], {
    timeout: patience
  })
  const cuda = Effect.gen(function* () {
    const { exit_code, stdout, stderr } = yield* Effect.mapError(query, ({ reason }) =>
      unavailable(reason.includes("ENOENT") ? "nvidia-smi is not on this node" : `nvidia-smi: ${reason}`)
    )
    if (exit_code !== 0) {
      const [words] = `${stdout}\n${stderr}`.trim().split("\n")
      return yield* unavailable(`nvidia-smi: ${words || `exit code ${exit_code}`}`)
    }
    const lines = stdout.split("\n").filter((line) => line.trim() !== "")
    const [unusable, devices] = Arr.separate(lines.map(readLine))
    if (Arr.isNonEmptyArray(devices)) return { devices, unusable }
    return yield* Arr.isNonEmptyArray(unusable) ? noneUsable(unusable) : unavailable("nvidia-smi lists no device")
  })
  return Gpu.of({
    inventory: (backend) =>
      backend === "cuda"
        ? cuda
        : // Apple's GPU shares the RAM and has no tool that tells what is free: no metal until it can be measured.
          Effect.fail(new BackendUnavailable({ backend, available: ["cpu"] }))
  })
})

/** NVIDIA's GPUs as `nvidia-smi` reports them, asked by field name, within that time. */
export const gpuNvidiaSmi = (patience: Duration.Duration): Layer.Layer<Gpu, never, Processes> =>
  Layer.effect(Gpu, make(patience))

/** The same, with the usual patience. */
export const GpuNvidiaSmi: Layer.Layer<Gpu, never, Processes> = gpuNvidiaSmi(usual_patience)
