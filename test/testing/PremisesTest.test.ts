/** The double keeps the contract of what it stands for. */
import * as Effect from "effect/Effect"
import { Premises } from "../../src/services/Premises.js"
import { PremisesTest } from "../../src/testing/PremisesTest.js"
import { premisesContract } from "../contracts/Premises.js"

const packed = (sha256: string, version: string) => ({
  ...{ path: "/tmp/rbee.tgz", sha256, version, size_bytes: 1, unpacked_bytes: 1 }
})

premisesContract(
  "PremisesTest",
  Effect.gen(function* () {
    const premises = yield* Premises
    const { put } = yield* PremisesTest
    return {
      premises,
      folder: "/home/bee",
      packages: [packed("a", "0.1.0"), packed("b", "0.2.0")],
      putForeign: (path) => put(path, { type: "other" })
    }
  }),
  PremisesTest.layer()
)
