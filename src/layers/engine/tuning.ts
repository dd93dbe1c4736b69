/** What the engine is tuned with: threads (more than there are free cores make it crawl) and the size of a bite. */
import { availableParallelism, loadavg } from "node:os"
import { batchTokensMax } from "../../domain/MemoryNeeds.js"

/** Below this a model is so small that a second thread costs more than it brings. */
const tinyModelBytes = 50 * 1024 ** 2

/** The machine as it is now: its cores, and how many of them were busy over the last minute. */
export interface Cores {
  readonly total: number
  readonly busy: number
}

/** Reads the machine. */
export const readCores = (): Cores => ({ total: availableParallelism(), busy: loadavg()[0] ?? 0 })

/** The cores really free, one of them left to everything else; as many as were asked for, where they were. */
export const chooseThreads = (asked: number | null, size_bytes: number, cores: Cores): number => {
  if (asked !== null) return asked
  if (size_bytes < tinyModelBytes) return 1
  return Math.max(1, Math.min(cores.total - 1, Math.floor(cores.total - cores.busy)))
}

/** Token-bytes that one core gets through in half a second to a second, measured with models of 143 and 620 MB. */
const tokenBytesAtOnce = 40e9

/**
 * How many tokens of a prompt are read at once. A batch cannot be stopped, and nobody wants to wait a minute for a
 * cancelled prompt: on the CPU large models take small bites. It depends on nothing that changes from run to run, for
 * the last bits of a result depend on it.
 */
export const promptTokensAtOnce = (onGpu: boolean, size_bytes: number): number => {
  if (onGpu) return batchTokensMax
  const wanted = 2 ** Math.floor(Math.log2(tokenBytesAtOnce / size_bytes))
  return Math.max(32, Math.min(256, wanted))
}
