import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { BackendUnavailable, CudaUnavailable } from "../../src/domain/errors/Resource.js"
import { gpuNvidiaSmi } from "../../src/layers/GpuNvidiaSmi.js"
import { ProcessesLive } from "../../src/layers/ProcessesLive.js"
import { Gpu } from "../../src/services/Gpu.js"
import { assertFails, failsWith } from "../support/assertFails.js"
import { tempDir } from "../support/tempDir.js"

const GpuLive = Layer.provide(gpuNvidiaSmi(Duration.seconds(2)), ProcessesLive)
const cuda = Effect.flatMap(Gpu, (gpu) => gpu.devices("cuda"))

/** Puts a program named nvidia-smi before all others; null leaves the PATH without one. */
const withSmi = (script: string | null) =>
  Effect.gen(function* () {
    const folder = yield* tempDir
    if (script !== null) Fs.writeFileSync(Path.join(folder, "nvidia-smi"), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        const before = process.env.PATH
        process.env.PATH = script === null ? folder : `${folder}:${before}`
        return before
      }),
      (before) =>
        Effect.sync(() => {
          process.env.PATH = before
        })
    )
  })

const asking = <A, E>(script: string | null, test: Effect.Effect<A, E, Gpu>) =>
  Effect.zipRight(withSmi(script), test).pipe(Effect.scoped, Effect.provide(GpuLive))

const prints = (...lines: ReadonlyArray<string>) => `cat <<'END'\n${lines.join("\n")}\nEND`

describe("GpuNvidiaSmi", () => {
  it.live("two devices, as nvidia-smi lists them", () =>
    asking(
      prints("0, GPU-11, NVIDIA H200, 143771, 143000, 34", "1, GPU-22, NVIDIA GeForce RTX 4090, 24564, 100, 81"),
      Effect.gen(function* () {
        const devices = yield* cuda
        assert.deepStrictEqual(
          devices.map(({ index, uuid, name, vram_total_mb, vram_free_mb, temperature_c }) => [
            ...[index, uuid, name],
            ...[vram_total_mb, vram_free_mb, temperature_c]
          ]),
          [
            [0, "GPU-11", "NVIDIA H200", 143_771, 143_000, 34],
            [1, "GPU-22", "NVIDIA GeForce RTX 4090", 24_564, 100, 81]
          ]
        )
      })
    )
  )

  it.live("it is asked by field names, without units and header", () =>
    asking(
      'case "$*" in "--query-gpu=index,uuid,name,memory.total,memory.free,temperature.gpu --format=csv,noheader,nounits") echo "0, GPU-1, Fine, 10, 5, 30";; *) exit 2;; esac',
      Effect.gen(function* () {
        assert.strictEqual((yield* cuda)[0]?.name, "Fine")
      })
    )
  )

  it.live("a temperature that is [N/A] is not known", () =>
    asking(
      prints("0, GPU-1, Virtual, 10, 5, [N/A]"),
      Effect.gen(function* () {
        assert.isNull((yield* cuda)[0]?.temperature_c)
      })
    )
  )

  for (const [what, script, reason] of [
    ["no nvidia-smi", null, "nvidia-smi is not on this node"],
    [
      "a driver that does not answer (exit 9)",
      'echo "NVIDIA-SMI has failed because it couldn\'t communicate with the NVIDIA driver."; exit 9',
      "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    ],
    [
      "words on stderr",
      "echo 'Driver/library version mismatch' >&2; exit 18",
      "nvidia-smi: Driver/library version mismatch"
    ],
    ["an exit without a word", "exit 6", "nvidia-smi: exit code 6"],
    ["no devices", "exit 0", "nvidia-smi lists no device"],
    ["no devices, in words", "echo 'No devices were found'", "nvidia-smi: No devices were found"],
    [
      "VRAM that is not known",
      prints("0, GPU-1, Odd, [N/A], [N/A], 30"),
      "nvidia-smi: 0, GPU-1, Odd, [N/A], [N/A], 30"
    ],
    ["garbage", prints("\u001b[31m", "0"), "nvidia-smi: \u001b[31m"],
    ["a line too short", prints("0, GPU-1, Fine, 10"), "nvidia-smi: 0, GPU-1, Fine, 10"],
    ["one that is killed", "kill -9 $$", "nvidia-smi: killed by SIGKILL"]
  ] as const) {
    it.live(`${what}: CudaUnavailable with the reason (EH-009b)`, () =>
      asking(script, failsWith(cuda, new CudaUnavailable({ reason })))
    )
  }

  it.live("figures that no device can have are CudaUnavailable, not a defect", () =>
    Effect.gen(function* () {
      for (const line of ["-1, GPU-1, Odd, 10, 5, 30", "0, GPU-1, Odd, 10.5, 5, 30", "0, GPU-1, Odd, -10, 5, 30"]) {
        yield* asking(prints(line), failsWith(cuda, new CudaUnavailable({ reason: `nvidia-smi: ${line}` })))
      }
    })
  )

  it.live("one that hangs is given up", () =>
    asking(
      "exec sleep 60",
      Effect.gen(function* () {
        const [took, error] = yield* Effect.timed(Effect.flip(cuda))
        assertFails(error, new CudaUnavailable({ reason: "nvidia-smi: no end within 2s" }))
        assert.isBelow(Duration.toMillis(took), 5000)
      })
    )
  )

  it.live("metal is not to be had yet, whatever nvidia-smi says (EH-009a)", () =>
    asking(
      prints("0, GPU-1, Fine, 10, 5, 30"),
      Effect.gen(function* () {
        const error = yield* Effect.flip((yield* Gpu).devices("metal"))
        assertFails(error, new BackendUnavailable({ backend: "metal", available: ["cpu"] }))
      })
    )
  )
})
