/** A node's model files in memory: paths with a size and a header. */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type GgufInfo, splitName } from "../domain/Gguf.js"
import { ModelFiles } from "../services/ModelFiles.js"

/** A file. */
export interface TestFile {
  readonly size_bytes: number
  /** What its header says, unlike {@link testGguf}; `false` where it is no model file. */
  readonly gguf?: Partial<GgufInfo> | false
  /** For a symbolic link: where it leads. */
  readonly real_path?: string
}

/** Where the story model is. */
export const demo_path = "/package/models/demo.gguf"

/** What is on the disk of a fresh node. */
export const freshDisk: Readonly<Record<string, TestFile>> = { [demo_path]: { size_bytes: 5_000_000 } }

/** What a model file of that size says of itself: a small model, of which nothing but the weights takes much room. */
export const testGguf = (size_bytes: number): GgufInfo => ({
  architecture: "llama",
  name: "Test stories",
  parameters: size_bytes,
  layers: 5,
  context_length: 512,
  vocabulary_size: 512,
  quantization: "Q8_0",
  eos_token_id: 2,
  chat_template: null,
  weights_bytes: size_bytes,
  size_bytes,
  kv_bytes_per_token: 1_280,
  state_bytes_per_slot: 0,
  activation_bytes_per_token: 4_096,
  score_bytes_per_token: 0
})

/** The tests' side of {@link ModelFiles}. */
export class ModelFilesTest extends Context.Tag("rbee/ModelFilesTest")<
  ModelFilesTest,
  {
    readonly paths: Effect.Effect<ReadonlyArray<string>>
    /** Writes a file, or another one in its place. */
    readonly write: (path: string, file: TestFile) => Effect.Effect<void>
    readonly remove: (path: string) => Effect.Effect<void>
  }
>() {
  /** The double, with these files besides the story model. */
  static readonly layer = (files: Readonly<Record<string, TestFile>> = {}): Layer.Layer<ModelFiles | ModelFilesTest> =>
    Layer.effectContext(Effect.sync(() => make({ ...freshDisk, ...files })))
}

const make = (given: Readonly<Record<string, TestFile>>) => {
  const disk = new Map(Object.entries(given))
  const fileAt = (path: string) => disk.get(path) ?? [...disk.values()].find(({ real_path }) => real_path === path)
  /** The size of the model that begins there; none where a file of it is missing. */
  const sizeOf = (path: string): Option.Option<number> => {
    const split = splitName(path)
    const paths = split?.number === 1 ? Arr.makeBy(split.count, (index) => split.nth(index + 1)) : [path]
    const sizes = Option.all(paths.map((one) => Option.fromNullable(fileAt(one)?.size_bytes)))
    return Option.map(sizes, (all) => all.reduce((sum, size) => sum + size, 0))
  }
  const files = ModelFiles.of({
    demo: demo_path,
    stat: (path) =>
      Effect.sync(() => {
        const real = disk.get(path)?.real_path ?? path
        return Option.map(sizeOf(real), (size_bytes) => ({ path: real, size_bytes }))
      }),
    inspect: (path) =>
      Effect.suspend(() => {
        const size_bytes = sizeOf(path)
        const gguf = fileAt(path)?.gguf
        if (Option.isNone(size_bytes)) return Effect.fail({ reason: "it cannot be read: ENOENT" })
        if (gguf === false) return Effect.fail({ reason: "it does not begin as a GGUF file does" })
        return Effect.succeed({ ...testGguf(size_bytes.value), ...gguf })
      })
  })
  const control = ModelFilesTest.of({
    paths: Effect.sync(() => [...disk.keys()].sort()),
    write: (path, file) => Effect.sync(() => void disk.set(path, file)),
    remove: (path) => Effect.sync(() => void disk.delete(path))
  })
  return Context.make(ModelFiles, files).pipe(Context.add(ModelFilesTest, control))
}
