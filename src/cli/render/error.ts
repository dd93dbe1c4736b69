/** The block that an error is shown as (errors.md). */
import * as Predicate from "effect/Predicate"
import { describe } from "../../domain/errors/Catalogue.js"
import type { RbeeError } from "../../domain/errors/index.js"

/** Message, where it happened, and the next step. `node` is the one that the command was for. */
export const errorBlock = (error: RbeeError, node?: string): string => {
  const { actor, message, suggestion } = describe(error)
  const where = [
    ...(node === undefined ? [] : [`Node: ${node}`]),
    ...(Predicate.hasProperty(error, "device") && Predicate.isObject(error.device) ? [`Device: ${error.device}`] : [])
  ]
  return [
    `[${actor}] ❌ ${message}`,
    ...(where.length === 0 ? [] : [`  ${where.join("   ")}`]),
    ...(suggestion === undefined ? [] : ["", `  Suggestion: ${suggestion.replaceAll("\n", "\n  ")}`]),
    ""
  ].join("\n")
}
