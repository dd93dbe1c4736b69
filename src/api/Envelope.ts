/** How endpoints declare their errors: every one in the same envelope, with its catalogue's status. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import * as Schema from "effect/Schema"
import { statusOf } from "../domain/errors/Catalogue.js"
import { type EnvelopeBody, enveloped } from "../domain/errors/Envelope.js"
import {
  BodyTooLarge,
  InternalError,
  InvalidRequest,
  RbeeError,
  RouteNotFound,
  Unauthorized
} from "../domain/errors/index.js"

/** An error as an endpoint declares it: enveloped, with its HTTP status. */
export const declare = <A extends RbeeError, I extends { readonly _tag: string }>(
  error: Schema.Schema<A, I> & { readonly _tag: A["_tag"] }
) => enveloped(error).annotations(HttpApiSchema.annotations({ status: statusOf(error._tag) }))

/** What any endpoint may answer before its handler is asked, or when it crashes. */
export const edge = {
  bodyTooLarge: declare(BodyTooLarge),
  invalidRequest: declare(InvalidRequest),
  routeNotFound: declare(RouteNotFound),
  internalError: declare(InternalError)
}

/** A missing or wrong key. */
export const unauthorized = declare(Unauthorized)

/** For endpoints that run many phases: every error of the catalogue, each with its own status. */
export const anyError: Schema.Schema<RbeeError, { readonly error: typeof EnvelopeBody.Encoded }> = Schema.Union(
  ...RbeeError.members.map((member) =>
    declare(member as Schema.Schema<RbeeError, typeof RbeeError.Encoded> & { readonly _tag: RbeeError["_tag"] })
  )
) // the members are the catalogue's classes; a tuple of sixty is too wide to map with its types
