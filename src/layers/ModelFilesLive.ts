import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ModelFiles } from "../services/ModelFiles.js"
import { packageRoot } from "./packageRoot.js"

/** Model files of this machine. */
export const ModelFilesLive: Layer.Layer<ModelFiles> = Layer.succeed(ModelFiles, {
  demo: Path.join(packageRoot, "models", "tiny-stories.gguf"),
  stat: Effect.fn("ModelFiles.stat")((path: string) =>
    Effect.option(
      Effect.tryPromise(async () => {
        const real = await Fs.realpath(path)
        const stats = await Fs.stat(real)
        if (!stats.isFile()) throw new Error("not a regular file")
        return { path: real, size_bytes: stats.size }
      })
    )
  ),
  isGguf: Effect.fn("ModelFiles.isGguf")((path: string) =>
    Effect.tryPromise(async () => {
      const file = await Fs.open(path)
      try {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
        return bytesRead === 4 && buffer.toString("latin1") === "GGUF"
      } finally {
        await file.close()
      }
    }).pipe(Effect.orElseSucceed(() => false))
  )
})
