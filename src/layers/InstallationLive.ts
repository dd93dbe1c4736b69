import * as Path from "node:path"
import * as Layer from "effect/Layer"
import { Installation } from "../services/Installation.js"
import { packageRoot } from "./packageRoot.js"

/** This package, run by the same Node as we are. */
export const InstallationLive: Layer.Layer<Installation> = Layer.succeed(Installation, {
  command: [process.execPath, Path.join(packageRoot, "dist", "bin", "rbee.js")]
})
