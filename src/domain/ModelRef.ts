/** Model references: how a user names a model (data.md, "Model references"). */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { InvalidModelRef } from "./errors/Model.js"

/** The small story model that the package ships. */
export class DemoModel extends Data.TaggedClass("DemoModel")<{}> {
  readonly provider = "demo"
  override toString(): string {
    return "demo"
  }
}

/** A GGUF file on the node's own disk. */
export class FileModel extends Data.TaggedClass("FileModel")<{ readonly path: string }> {
  readonly provider = "file"
  override toString(): string {
    return `file://${this.path}`
  }
}

/** Which of a hub repository's files is meant: a quantization such as `Q5_K_M`, a file's path, or rbee's preference. */
export type HubChoice = Data.TaggedEnum<{
  Preferred: {}
  Quantization: { readonly name: string }
  File: { readonly path: string }
}>
export const HubChoice = Data.taggedEnum<HubChoice>()

/** A model of the hub, optionally at a revision (branch, tag or commit). */
export class HubModel extends Data.TaggedClass("HubModel")<{
  readonly repo: string
  readonly choice: HubChoice
  readonly revision: string | null
}> {
  readonly provider = "hf"
  override toString(): string {
    const choice = HubChoice.$match(this.choice, {
      Preferred: () => "",
      Quantization: ({ name }) => `:${name}`,
      File: ({ path }) => `/${path}`
    })
    return `hf:${this.repo}${choice}${this.revision === null ? "" : `@${this.revision}`}`
  }
}

/** What a model is called by: the shipped demo, a file of the node, or one of the hub's. */
export type ModelRef = DemoModel | FileModel | HubModel

/** The longest reference accepted, in characters. */
const maxLength = 256

const refuse = (rule: string) => Either.left(new InvalidModelRef({ rule }))

const segment = "[A-Za-z0-9][A-Za-z0-9._-]*"
const hub = new RegExp(
  `^(?<repo>${segment}/${segment})(?::(?<quantization>[A-Za-z0-9_]+)|/(?<file>${segment}(?:/${segment})*\\.gguf))?(?:@(?<revision>${segment}(?:/${segment})*))?$`
)

/** Reads a reference. Every refusal names the one rule that was broken (EH-015a), never the input itself (VAL-13). */
export const parseModelRef = (text: string): Either.Either<ModelRef, InvalidModelRef> => {
  if (text.length > maxLength) return refuse(`at most ${maxLength} characters, got ${text.length}`)
  if (/[^\x20-\x7e]/.test(text)) return refuse("printable ASCII characters only")
  if (text.includes("..")) return refuse("no '..'")
  if (/[\s;|&$`<>(){}[\]*?!"'\\#%,=^~]/.test(text)) return refuse("no spaces, quotes or shell characters")
  if (text === "demo") return Either.right(new DemoModel())
  if (text.startsWith("file://")) {
    const path = text.slice("file://".length)
    if (!path.startsWith("/")) return refuse("file:// needs an absolute path: file:///path/model.gguf")
    if (!path.endsWith(".gguf")) return refuse("file:// names a .gguf file")
    return Either.right(new FileModel({ path }))
  }
  if (!text.startsWith("hf:")) return refuse("expected hf:org/repo or file:///path")
  const { repo, quantization, file, revision } = hub.exec(text.slice("hf:".length))?.groups ?? {}
  if (repo === undefined) return refuse("expected hf:org/repo, hf:org/repo:Q4_K_M or hf:org/repo/file.gguf")
  return Either.right(
    new HubModel({
      repo,
      choice:
        file !== undefined
          ? HubChoice.File({ path: file })
          : quantization !== undefined
            ? HubChoice.Quantization({ name: quantization.toUpperCase() })
            : HubChoice.Preferred(),
      revision: revision ?? null
    })
  )
}

const ModelRefSelf = Schema.declare(
  (input): input is ModelRef => input instanceof DemoModel || input instanceof FileModel || input instanceof HubModel,
  {
    identifier: "ModelRef",
    arbitrary: () => (fc) => {
      const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/)
      const choice = fc.oneof(
        fc.constant(HubChoice.Preferred()),
        fc.constantFrom("Q4_K_M", "Q8_0", "F16").map((name) => HubChoice.Quantization({ name })),
        word.map((name) => HubChoice.File({ path: `${name}.gguf` }))
      )
      return fc.oneof(
        fc.constant(new DemoModel()),
        word.map((name) => new FileModel({ path: `/models/${name}.gguf` })),
        fc
          .tuple(word, word, choice, fc.option(word))
          .map(([org, name, choice, revision]) => new HubModel({ repo: `${org}/${name}`, choice, revision }))
      )
    }
  }
)

/** A reference on the wire is its text; in programs it is parsed. */
export const ModelRef: Schema.Schema<ModelRef, string> = Schema.transformOrFail(Schema.String, ModelRefSelf, {
  strict: true,
  decode: (text, _options, ast) =>
    Either.mapLeft(parseModelRef(text), ({ rule }) => new ParseResult.Type(ast, text, `a model reference: ${rule}`)),
  encode: (ref) => ParseResult.succeed(ref.toString())
}).annotations({ identifier: "ModelRefText" })
