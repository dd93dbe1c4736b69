/** Flags that do not fit their schema. */
import * as ParseResult from "effect/ParseResult"
import { InvalidRequest } from "../../domain/errors/Request.js"
import { expectations } from "../../domain/Issues.js"

/** The error that names every field that did not fit, and what was expected. */
export const invalid = (error: ParseResult.ParseError): InvalidRequest =>
  new InvalidRequest({ issues: expectations(ParseResult.ArrayFormatter.formatErrorSync(error)) })
