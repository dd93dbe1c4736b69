/** The one shape of an error on the wire, and the way back to the same error (errors.md, http-api.md). */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { CorrelationId } from "../CorrelationId.js"
import { describe } from "./Catalogue.js"
import { RbeeError } from "./index.js"

/** `{code, message, details, suggestion, correlation_id}`; `details` are the error's figures, `tag` its name in programs. */
export const EnvelopeBody = Schema.Struct({
  code: Schema.String,
  /** On OpenAI's paths: what its clients sort errors by, and the field that was wrong, which we tell in the message. */
  type: Schema.optional(Schema.String),
  param: Schema.optional(Schema.Null),
  tag: Schema.String,
  message: Schema.String,
  details: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
  suggestion: Schema.optional(Schema.String),
  correlation_id: Schema.String
}).annotations({ identifier: "Error" })
export type EnvelopeBody = typeof EnvelopeBody.Type

/** Whose API an error is told in. */
export class Dialect extends Context.Reference<Dialect>()("rbee/Dialect", {
  defaultValue: (): "rbee" | "openai" => "rbee"
}) {}

/** What clients of OpenAI's API sort errors by. */
const openAiTypeOf = (status: number): string => {
  if (status === 401) return "authentication_error"
  if (status === 403) return "permission_error"
  if (status === 404) return "not_found_error"
  if (status === 429 || status === 503) return "rate_limit_error"
  return status >= 500 ? "server_error" : "invalid_request_error"
}

const encodeBody = (error: RbeeError): Effect.Effect<EnvelopeBody, ParseResult.ParseIssue> =>
  Effect.gen(function* () {
    const { _tag, ...details } = yield* ParseResult.encode(RbeeError)(error)
    const { code, status, message, suggestion } = describe(error)
    return {
      code,
      ...((yield* Dialect) === "openai" && { type: openAiTypeOf(status), param: null }),
      tag: _tag,
      message,
      details,
      ...(suggestion === undefined ? {} : { suggestion }),
      correlation_id: yield* CorrelationId
    }
  })

/** One error class inside `{"error":{…}}`, as endpoints declare it. */
export const enveloped = <A extends RbeeError, I extends { readonly _tag: string }>(
  error: Schema.Schema<A, I> & { readonly _tag: A["_tag"] }
) =>
  Schema.transformOrFail(Schema.Struct({ error: EnvelopeBody }), Schema.typeSchema(error), {
    strict: true,
    decode: ({ error: body }, _options, ast) =>
      body.tag === error._tag
        ? ParseResult.decodeUnknown(error)({ ...body.details, _tag: body.tag })
        : ParseResult.fail(new ParseResult.Type(ast, body, `not ${error._tag}`)),
    encode: (value) => Effect.map(encodeBody(value), (body) => ({ error: body }))
  })

/** Any error of the catalogue as an envelope's body: for `error` events of streams. */
export const AnyError = Schema.transformOrFail(EnvelopeBody, Schema.typeSchema(RbeeError), {
  strict: true,
  decode: (body) => ParseResult.decodeUnknown(RbeeError)({ ...body.details, _tag: body.tag }),
  encode: encodeBody
})

/** The last event of a stream that failed: `{"type":"error","error":{…}}`. */
export const ErrorEvent = Schema.Struct({ type: Schema.Literal("error"), error: AnyError })
