import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import { splitName } from "../domain/Gguf.js"
import { parseModelRef } from "../domain/ModelRef.js"
import { ModelFolder, type StoredModel } from "../services/ModelFolder.js"
import { Settings } from "../services/Settings.js"

/** `<org>--<repo>/<commit>/<path in the repository>`; what is still being downloaded does not end so. */
const layout = /^(?<org>[^/]+?)--(?<repo>[^/]+)\/(?<commit>[0-9a-f]{40})\/(?<file>.+\.gguf)$/

/** The regular files under a folder, by their paths in it. What cannot be read is not there. */
const filesUnder = async (folder: string): Promise<ReadonlyArray<string>> => {
  const entries = await Fs.readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])
  return entries
    .flatMap((entry) => (entry.isFile() ? [Path.relative(folder, Path.join(entry.parentPath, entry.name))] : []))
    .sort()
}

/** The model that begins with a file of the folder, if one does. */
const modelOf = (dir: string, file: string): ReadonlyArray<StoredModel> => {
  const { org, repo, commit, file: path } = layout.exec(file)?.groups ?? {}
  const reference = `hf:${org}/${repo}/${path}@${commit}`
  const begins = (splitName(file)?.number ?? 1) === 1
  return org !== undefined && begins && Either.isRight(parseModelRef(reference))
    ? [{ reference, local_path: Path.join(dir, file) }]
    : []
}

/** The folder that the settings name. */
export const ModelFolderLive: Layer.Layer<ModelFolder, never, Settings> = Layer.effect(
  ModelFolder,
  Effect.map(Settings, ({ models: { dir } }) => ({
    scan: Effect.promise(() => filesUnder(dir)).pipe(
      Effect.map((files) => files.flatMap((file) => modelOf(dir, file))),
      Effect.withSpan("ModelFolder.scan")
    )
  }))
)
