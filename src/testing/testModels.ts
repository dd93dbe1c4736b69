/** What the doubles of hives and queens say of nodes: their room, their models. */

import { Device } from "../domain/Device.js"
import type { Resources } from "../domain/Hive.js"
import type { ModelEntry } from "../domain/Model.js"
import type { ModelRef } from "../domain/ModelRef.js"
import type { ModelInfo, SpawnPlan } from "../domain/Plan.js"
import { megabytesFree } from "../domain/Units.js"
import type { SpawnRequest } from "../domain/Worker.js"
import { idleCpu } from "./CpuTest.js"
import { plentyOfDisk } from "./DiskTest.js"
import { plentyOfRam } from "./MemoryTest.js"
import { testGguf } from "./ModelFilesTest.js"

/** Room for anything, and no GPU. */
export const plenty: Resources = {
  ...plentyOfRam,
  ...idleCpu,
  disk_free_mb: megabytesFree(plentyOfDisk.free_bytes),
  disk_busy_percent: plentyOfDisk.busy_percent,
  gpus: []
}

/** The bytes of every model of the doubles. */
const size_bytes = 100_000_000

/** The entry of a model that was fetched. */
export const testEntry = (model: ModelRef): ModelEntry => ({
  id: "m-1",
  provider: model.provider,
  reference: model.toString(),
  local_path: "/models/model.gguf",
  size_bytes,
  sha256: null,
  quantization: "Q4_K_M",
  downloaded_at_unix: 0
})

/** What a node tells of it. */
export const testInfo = (model: ModelRef): ModelInfo => {
  const { reference, local_path, quantization, sha256, downloaded_at_unix } = testEntry(model)
  const gguf = testGguf(size_bytes)
  return { reference, local_path, size_bytes, bytes_to_fetch: 0, quantization, sha256, downloaded_at_unix, gguf }
}

/** A plan without a problem. */
export const testPlan = ({ model, backend, device }: Pick<SpawnRequest, "model" | "backend" | "device">): SpawnPlan => {
  const needs = { ram_mb: 120, vram_mb: backend === "cpu" ? 0 : 100 }
  return {
    model: testInfo(model),
    needs,
    memory: null,
    placement: { device: new Device({ backend, index: device ?? 0 }), device_uuid: null, needs },
    resources: plenty,
    failure: null
  }
}
