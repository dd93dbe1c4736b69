/** What a repository of the hub holds, and which of it a reference means (data.md, "Model references"). */
import * as Arr from "effect/Array"
import * as Either from "effect/Either"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import { type HubChoice, HubModel, parseModelRef } from "./ModelRef.js"
import { Bytes } from "./Units.js"

/** A file of a repository. The hub knows the SHA-256 of all that it keeps as large files. */
export const HubFile = Schema.Struct({
  path: Schema.String,
  size_bytes: Bytes,
  sha256: Schema.NullOr(Schema.String)
})
export type HubFile = typeof HubFile.Type

/** The files that make up one model, at one commit: several where it is split, the first part first. */
export const HubListing = Schema.Struct({
  commit: Schema.String,
  files: Schema.NonEmptyArray(HubFile)
}).annotations({ identifier: "HubListing" })
export type HubListing = typeof HubListing.Type

/** The bytes of all files together. */
export const bytesOf = (files: ReadonlyArray<HubFile>): number =>
  files.reduce((sum, { size_bytes }) => sum + size_bytes, 0)

/** What is taken where a reference names no file: the first of these that there is, else the smallest. */
const preference = ["Q4_K_M", "Q4_0", "Q5_K_M", "Q8_0"]

/** How many other files a refusal names. */
const near_max = 8

/** The only names that become files of ours: what the server calls its files is not to be trusted. */
const safePath = /^[A-Za-z0-9][A-Za-z0-9._+-]*(?:\/[A-Za-z0-9][A-Za-z0-9._+-]*)*\.gguf$/
const part = /-(\d{5})-of-(\d{5})\.gguf$/
/** GGUF files that are no language models: image projectors and importance matrices. */
const noModel = /(?:^|\/)(?:mmproj|imatrix)[^/]*$|[.-]imatrix\.gguf$/i

/** The quantization that a file's name tells, such as `Q4_K_M`. */
export const quantizationOf = (path: string): string | null =>
  /(?:^|[/._-])((?:I?Q\d+(?:_[A-Z0-9]+)*)|B?F16|F32)(?:-\d{5}-of-\d{5})?\.gguf$/i.exec(path)?.[1]?.toUpperCase() ?? null

/** One model of a repository. */
type Model = Arr.NonEmptyReadonlyArray<HubFile>

const isSafe = ({ path }: HubFile): boolean => safePath.test(path) && !path.includes("..")

/** The repository's models: single files, and split ones of which all parts are there. */
const modelsIn = (files: ReadonlyArray<HubFile>): ReadonlyArray<Model> => {
  const groups = Arr.groupBy(Arr.filter(files, isSafe), ({ path }) => path.replace(part, "-of-$2"))
  return Object.values(groups)
    .map((group): Model => Arr.sortWith(group, ({ path }) => path, Order.string))
    .filter((model) => isWhole(model))
    .sort(([a], [b]) => (a.path < b.path ? -1 : 1))
}

const isWhole = (model: Model): boolean =>
  model.every(({ path }, index) => {
    const [, number, of] = part.exec(path) ?? []
    return number === undefined || (Number(number) === index + 1 && Number(of) === model.length)
  })

/** The files that a choice means, or references to what else the repository has. */
export const chooseFiles = (
  model: HubModel,
  files: ReadonlyArray<HubFile>
): Either.Either<Model, ReadonlyArray<string>> => {
  const models = modelsIn(files)
  const chosen = chosenBy(model.choice, models)
  if (chosen !== undefined) return Either.right(chosen)
  const { repo, revision } = model
  const others = models
    .filter(([{ path }]) => !noModel.test(path))
    .map(([{ path }]) => new HubModel({ repo, revision, choice: { _tag: "File", path } }).toString())
  // Not every name of a file can stand in a reference.
  return Either.left(others.filter((text) => Either.isRight(parseModelRef(text))).slice(0, near_max))
}

const chosenBy = (choice: HubChoice, models: ReadonlyArray<Model>): Model | undefined => {
  // Whoever names a file gets it, or the split model that it is a part of.
  if (choice._tag === "File") return models.find((model) => model.some(({ path }) => path === choice.path))
  const languageModels = models.filter(([{ path }]) => !noModel.test(path))
  const bySize = [...languageModels].sort((a, b) => bytesOf(a) - bytesOf(b))
  const quantized = (name: string) => bySize.find(([{ path }]) => quantizationOf(path) === name)
  if (choice._tag === "Quantization") return quantized(choice.name)
  return preference.map(quantized).find((model) => model !== undefined) ?? bySize[0]
}
