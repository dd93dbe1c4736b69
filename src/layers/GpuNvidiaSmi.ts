import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { GpuDevice } from "../domain/Device.js"
import { BackendUnavailable, CudaUnavailable } from "../domain/errors/Resource.js"
import { Gpu } from "../services/Gpu.js"
import { Processes } from "../services/Processes.js"

const fields = ["index", "uuid", "name", "memory.total", "memory.free", "temperature.gpu"]

/** How long the driver may take: one that hangs must not hang us. */
const usual_patience = Duration.seconds(4)

/** One CSV line; `[N/A]` for the temperature is no temperature, for anything else it is no usable device. */
const DeviceLine = Schema.Tuple(
  Schema.NumberFromString,
  Schema.NonEmptyString,
  Schema.String,
  Schema.NumberFromString,
  Schema.NumberFromString,
  Schema.String
)

const readLine = (line: string) =>
  Effect.flatMap(
    Schema.decodeUnknown(DeviceLine)(line.split(",").map((field) => field.trim())),
    ([index, uuid, name, vram_total_mb, vram_free_mb, temperature]) =>
      Schema.decodeUnknown(GpuDevice)({
        index,
        uuid,
        name,
        vram_total_mb,
        vram_free_mb,
        temperature_c: /^\d+$/.test(temperature) ? Number(temperature) : null
      })
  )

const make = Effect.fnUntraced(function* (patience: Duration.Duration) {
  const { run } = yield* Processes
  const query = run(["nvidia-smi", `--query-gpu=${fields.join(",")}`, "--format=csv,noheader,nounits"], {
    timeout: patience
  })
  const cudaDevices = Effect.gen(function* () {
    const { exit_code, stdout, stderr } = yield* Effect.mapError(
      query,
      ({ reason }) =>
        new CudaUnavailable({
          reason: reason.includes("ENOENT") ? "nvidia-smi is not on this node" : `nvidia-smi: ${reason}`
        })
    )
    const words = `${stdout}\n${stderr}`.trim().split("\n")[0] ?? ""
    if (exit_code !== 0)
      return yield* new CudaUnavailable({ reason: `nvidia-smi: ${words || `exit code ${exit_code}`}` })
    const lines = stdout
      .trim()
      .split("\n")
      .filter((line) => line !== "")
    if (lines.length === 0) return yield* new CudaUnavailable({ reason: "nvidia-smi lists no device" })
    return yield* Effect.mapError(
      Effect.forEach(lines, readLine),
      () => new CudaUnavailable({ reason: `nvidia-smi: ${words}` })
    )
  })
  return Gpu.of({
    devices: (backend) =>
      backend === "cuda"
        ? cudaDevices
        : // Apple's GPU shares the RAM and has no tool that tells what is free: no metal until it can be measured.
          Effect.fail(new BackendUnavailable({ backend, available: ["cpu"] }))
  })
})

/** NVIDIA's GPUs as `nvidia-smi` reports them, asked by field name, within that time. */
export const gpuNvidiaSmi = (patience: Duration.Duration): Layer.Layer<Gpu, never, Processes> =>
  Layer.effect(Gpu, make(patience))

/** The same, with the usual patience. */
export const GpuNvidiaSmi: Layer.Layer<Gpu, never, Processes> = gpuNvidiaSmi(usual_patience)
