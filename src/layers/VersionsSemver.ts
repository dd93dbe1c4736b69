import * as Layer from "effect/Layer"
import satisfies from "semver/functions/satisfies.js"
import { Versions } from "../services/Versions.js"

/** Versions by the semver package's rules. */
export const VersionsSemver: Layer.Layer<Versions> = Layer.succeed(Versions, {
  satisfies: (version, range) => satisfies(version, range)
})
