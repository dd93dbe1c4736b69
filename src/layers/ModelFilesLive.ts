import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { splitName } from "../domain/Gguf.js"
import { ModelFiles } from "../services/ModelFiles.js"
import { inspectGguf } from "./gguf/inspectGguf.js"
import { packageRoot } from "./packageRoot.js"

const sizeOf = async (path: string): Promise<number> => {
  const stats = await Fs.stat(path)
  if (!stats.isFile()) throw new Error("not a regular file")
  return stats.size
}

/** The other files of the model that begins with this one. */
const sizeOfOthers = async (path: string): Promise<number> => {
  const split = splitName(path)
  if (split?.number !== 1) return 0
  let total = 0
  for (let number = 2; number <= split.count; number++) total += await sizeOf(split.nth(number))
  return total
}

/** Model files of this machine. */
export const ModelFilesLive: Layer.Layer<ModelFiles> = Layer.succeed(ModelFiles, {
  demo: Path.join(packageRoot, "models", "tiny-stories.gguf"),
  stat: Effect.fn("ModelFiles.stat")((path: string) =>
    Effect.option(
      Effect.tryPromise(async () => {
        const real = await Fs.realpath(path)
        return { path: real, size_bytes: (await sizeOf(real)) + (await sizeOfOthers(real)) }
      })
    )
  ),
  inspect: Effect.fn("ModelFiles.inspect")(inspectGguf)
})
