/** Answers that have to be JSON: a schema becomes a grammar, by which the engine leaves out every token that does not fit. */
import * as Effect from "effect/Effect"
import type { GbnfJsonBasicSchema, Llama, LlamaGrammar } from "node-llama-cpp"
import type { Constraint } from "../../domain/Chat.js"
import { InvalidRequest } from "../../domain/errors/Request.js"
import { messageOf } from "../../domain/Thrown.js"

/** The engine's grammars end with this: it stands after the JSON, and is no part of it. */
export const grammarEnd = "\n".repeat(4)

/** What only describes, and forbids nothing. */
const silent = new Set(["title", "description", "default", "examples", "$schema", "$id", "$comment", "deprecated"])
/** What the engine's grammar knows. */
const known = new Set([
  ...["type", "const", "enum", "oneOf", "anyOf", "properties", "required", "additionalProperties"],
  ...["minProperties", "maxProperties", "items", "prefixItems", "minItems", "maxItems"],
  ...["minLength", "maxLength", "format", "$ref", "$defs", "definitions"]
])
const formats = new Set(["date-time", "time", "date"])

type Json = Readonly<Record<string, unknown>>
const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

/** A schema that cannot be kept to word by word is refused: an answer that looks right and is not helps nobody. */
const unsupported = (path: string, what: string) =>
  new InvalidRequest({ issues: [`${path}: ${what} is not supported in a schema`] })

const each = (value: unknown, path: string) =>
  Effect.forEach(Array.isArray(value) ? value : [], (item, i) => translate(item, `${path}[${i}]`))
const named = (value: unknown, path: string) =>
  Effect.map(
    Effect.forEach(Object.entries(isObject(value) ? value : {}), ([name, item]) =>
      Effect.map(translate(item, `${path}.${name}`), (schema) => [name, schema] as const)
    ),
    Object.fromEntries<Json | boolean>
  )

/** The schema in the engine's own dialect. */
const translate = (schema: unknown, path: string): Effect.Effect<Json | boolean, InvalidRequest> =>
  Effect.gen(function* () {
    if (typeof schema === "boolean") return schema
    if (!isObject(schema)) return yield* new InvalidRequest({ issues: [`${path}: a JSON schema`] })
    const out: Record<string, unknown> = {}
    for (const [key, value] of Object.entries(schema)) {
      const at = `${path}.${key}`
      if (silent.has(key) || key === "required") continue // the grammar writes every property anyway
      if (!known.has(key)) return yield* unsupported(path, key)
      if (key === "format" && !formats.has(`${value}`)) return yield* unsupported(path, `format ${value}`)
      if (key === "anyOf" || key === "oneOf") out.oneOf = yield* each(value, at)
      else if (key === "prefixItems") out[key] = yield* each(value, at)
      else if (key === "items") out[key] = yield* translate(value, at)
      else if (key === "additionalProperties") out[key] = yield* translate(value, at)
      else if (key === "properties") out[key] = yield* named(value, at)
      else if (key === "$defs" || key === "definitions") out.$defs = yield* named(value, at)
      else if (key === "$ref") out[key] = `${value}`.replace("#/definitions/", "#/$defs/")
      else out[key] = value
    }
    return out
  })

/** The grammar of a constraint. */
export const grammarOf = (llama: Llama, constraint: Constraint): Effect.Effect<LlamaGrammar, InvalidRequest> => {
  if (constraint.type === "json") return Effect.promise(() => llama.getGrammarFor("json"))
  return Effect.flatMap(translate(constraint.schema, "response_format.schema"), (schema) =>
    Effect.tryPromise({
      // What it takes is checked above, key by key; its type cannot say so.
      try: (): Promise<LlamaGrammar> => llama.createGrammarForJsonSchema(schema as Readonly<GbnfJsonBasicSchema>),
      catch: (error) => new InvalidRequest({ issues: [`response_format.schema: ${messageOf(error)}`] })
    })
  )
}
