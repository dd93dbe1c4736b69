/** The comparison of versions without a library: as much of semver as rbee's own ranges use. */
import * as Layer from "effect/Layer"
import { Versions } from "../services/Versions.js"

const plain = /^(\d+)\.(\d+)\.(\d+)$/
const bound = /^(>=|<=|>|<|=)?(\d+\.\d+\.\d+)$/

const compare = (a: string, b: string): number => {
  const [left, right] = [a.split(".").map(Number), b.split(".").map(Number)]
  const at = left.findIndex((part, index) => part !== right[index])
  return at === -1 ? 0 : (left[at] ?? 0) - (right[at] ?? 0)
}

const keeps = (version: string, condition: string): boolean => {
  const [, operator = "=", limit] = bound.exec(condition) ?? []
  if (limit === undefined) return false // a kind of range that this comparison does not know
  const order = compare(version, limit)
  switch (operator) {
    case ">=":
      return order >= 0
    case "<=":
      return order <= 0
    case ">":
      return order > 0
    case "<":
      return order < 0
    default:
      return order === 0
  }
}

/** Ranges of bounds such as `>=0.1.0 <0.2.0`, all of which must hold; a pre-release satisfies none of them. */
export const layerVersionsTest: Layer.Layer<Versions> = Layer.succeed(Versions, {
  satisfies: (version, range) =>
    plain.test(version) &&
    range
      .trim()
      .split(/\s+/)
      .every((condition) => keeps(version, condition))
})
