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
const inventory = Effect.flatMap(Gpu, (gpu) => gpu.inventory("cuda"))
const cuda = Effect.map(inventory, ({ devices }) => devices)

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
      prints(
        "0, GPU-11, NVIDIA H200, 143771, 143000, 34, Disabled",
        "1, GPU-22, NVIDIA GeForce RTX 4090, 24564, 100, 81, [N/A]"
      ),
      Effect.gen(function* () {
        const { devices, unusable } = yield* inventory
        assert.deepStrictEqual(unusable, [])
        assert.isTrue(devices.every((device) => device.vram_largest_block_mb === null))
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
      'case "$*" in "--query-gpu=index,uuid,name,memory.total,memory.free,temperature.gpu,mig.mode.current --format=csv,noheader,nounits") echo "0, GPU-1, Fine, 10, 5, 30, [N/A]";; *) exit 2;; esac',
      Effect.gen(function* () {
        assert.strictEqual((yield* cuda)[0]?.name, "Fine")
      })
    )
  )

  it.live("a temperature that a device does not have is not known", () =>
    asking(
      prints(
        ...["[N/A]", "[Not Supported]", "N/A", "[Insufficient Permissions]"].map(
          (words, index) => `${index}, GPU-${index}, Virtual, 10, 5, ${words}, [N/A]`
        )
      ),
      Effect.gen(function* () {
        assert.deepStrictEqual(
          (yield* cuda).map(({ temperature_c }) => temperature_c),
          [null, null, null, null]
        )
      })
    )
  )

  it.live("eight mixed: those that can be used, and of each other one why not", () =>
    asking(
      prints(
        "0, GPU-0, NVIDIA H100 80GB HBM3, 81559, 80994, 31, Disabled",
        "1, GPU-1, NVIDIA H100 80GB HBM3, 81559, 81008, 30, Enabled",
        "2, GPU-2, NVIDIA GeForce RTX 4090, 24564, 24000, ERR!, [N/A]",
        "3, GPU-3, NVIDIA GeForce GTX 1060, 6144, 6000, 55, [N/A]",
        "4, GPU-4, NVIDIA GB10, [N/A], [N/A], 40, [N/A]",
        "Unable to determine the device handle for GPU0000:0A:00.0: Unknown Error",
        "6, GPU-6, Tesla K80, 11441, [Unknown Error], 61, [Not Supported]",
        "7, GPU-7, NVIDIA A100-SXM4-40GB, 40960, 40000, [N/A], Disabled"
      ),
      Effect.gen(function* () {
        const { devices, unusable } = yield* inventory
        assert.deepStrictEqual(
          devices.map(({ index, vram_free_mb, temperature_c }) => [index, vram_free_mb, temperature_c]),
          [
            [0, 80_994, 31],
            [3, 6000, 55],
            [7, 40_000, null]
          ]
        )
        assert.deepStrictEqual(
          unusable.map(({ index, reason }) => [index, reason]),
          [
            [1, "NVIDIA H100 80GB HBM3: MIG mode is on; to use the whole device: nvidia-smi -i 1 -mig 0"],
            [2, "NVIDIA GeForce RTX 4090: temperature.gpu is ERR!"],
            [4, "NVIDIA GB10: the driver does not tell its memory (memory.total is [N/A]), as where it shares the RAM"],
            [null, "nvidia-smi: Unable to determine the device handle for GPU0000:0A:00.0: Unknown Error"],
            [6, "Tesla K80: memory.free is [Unknown Error]"]
          ]
        )
      })
    )
  )

  for (const [what, lines, reason] of [
    [
      "unified memory",
      ["0, GPU-0, NVIDIA GB10, [N/A], [N/A], 40, [N/A]"],
      "device 0, NVIDIA GB10: the driver does not tell its memory (memory.total is [N/A]), as where it shares the RAM"
    ],
    [
      "MIG",
      ["0, GPU-0, NVIDIA A100, 40960, 40000, 30, Enabled", "1, GPU-1, NVIDIA A100, 40960, 40000, 30, Enabled"],
      "device 0, NVIDIA A100: MIG mode is on; to use the whole device: nvidia-smi -i 0 -mig 0 (1 more cannot be used)"
    ],
    ["ERR!", ["0, GPU-0, Odd, ERR!, ERR!, ERR!, ERR!"], "device 0, Odd: memory.total is ERR!"]
  ] as const) {
    it.live(`no device that can be used: ${what}`, () =>
      asking(prints(...lines), failsWith(cuda, new CudaUnavailable({ reason })))
    )
  }

  it.live("garbage without end is told in brief", () =>
    asking(
      "head -c 3000000 /dev/zero | tr '\\0' x",
      Effect.gen(function* () {
        const error = yield* Effect.flip(cuda)
        assert.instanceOf(error, CudaUnavailable)
        assert.match(error.reason, /^nvidia-smi: x{200}$/)
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
    ["garbage", prints("\u001b[31m", "0"), "nvidia-smi: \u001b[31m (1 more cannot be used)"],
    [
      "a driver that does not know a field",
      "echo 'Field \"mig.mode.current\" is not a valid field to query.'; exit 2",
      'nvidia-smi: Field "mig.mode.current" is not a valid field to query.'
    ],
    ["a line too short", prints("0, GPU-1, Fine, 10"), "nvidia-smi: 0, GPU-1, Fine, 10"],
    ["one that is killed", "kill -9 $$", "nvidia-smi: killed by SIGKILL"]
  ] as const) {
    it.live(`${what}: CudaUnavailable with the reason (EH-009b)`, () =>
      asking(script, failsWith(cuda, new CudaUnavailable({ reason })))
    )
  }

  it.live("figures that no device can have are CudaUnavailable, not a defect", () =>
    Effect.gen(function* () {
      for (const [line, reason] of [
        ["-1, GPU-1, Odd, 10, 5, 30, [N/A]", "nvidia-smi: -1, GPU-1, Odd, 10, 5, 30, [N/A]"],
        ["0.5, GPU-1, Odd, 10, 5, 30, [N/A]", "nvidia-smi: 0.5, GPU-1, Odd, 10, 5, 30, [N/A]"],
        ["0, GPU-1, Odd, 10.5, 5, 30, [N/A]", "device 0, Odd: memory.total is 10.5"],
        ["0, GPU-1, Odd, 10, -5, 30, [N/A]", "device 0, Odd: memory.free is -5"],
        [`0, GPU-1, Odd, 10, ${"9".repeat(400)}, 30, [N/A]`, `device 0, Odd: memory.free is ${"9".repeat(400)}`]
      ] as const) {
        yield* asking(prints(line), failsWith(cuda, new CudaUnavailable({ reason })))
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
      prints("0, GPU-1, Fine, 10, 5, 30, [N/A]"),
      Effect.gen(function* () {
        const error = yield* Effect.flip((yield* Gpu).inventory("metal"))
        assertFails(error, new BackendUnavailable({ backend: "metal", available: ["cpu"] }))
      })
    )
  )
})
