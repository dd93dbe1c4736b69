/** A node's model files in memory: paths with a size. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { ModelFiles } from "../services/ModelFiles.js"

/** A file. */
export interface TestFile {
  readonly size_bytes: number
  /** Whether it begins as a GGUF file does; by default it does. */
  readonly gguf?: boolean
  /** For a symbolic link: where it leads. */
  readonly real_path?: string
}

/** Where the story model is. */
export const demo_path = "/package/models/demo.gguf"

/** What is on the disk of a fresh node. */
export const freshDisk: Readonly<Record<string, TestFile>> = { [demo_path]: { size_bytes: 5_000_000 } }

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
  const files = ModelFiles.of({
    demo: demo_path,
    stat: (path) =>
      Effect.sync(() =>
        Option.map(Option.fromNullable(disk.get(path)), ({ size_bytes, real_path }) => ({
          path: real_path ?? path,
          size_bytes
        }))
      ),
    isGguf: (path) =>
      Effect.sync(() => {
        const file = disk.get(path) ?? [...disk.values()].find(({ real_path }) => real_path === path)
        return file !== undefined && file.gguf !== false
      })
  })
  const control = ModelFilesTest.of({
    paths: Effect.sync(() => [...disk.keys()].sort()),
    write: (path, file) => Effect.sync(() => void disk.set(path, file)),
    remove: (path) => Effect.sync(() => void disk.delete(path))
  })
  return Context.make(ModelFiles, files).pipe(Context.add(ModelFilesTest, control))
}
