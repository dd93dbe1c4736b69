/** This package, installed where a test says. */
import * as Layer from "effect/Layer"
import { Installation } from "../services/Installation.js"

/** By default it is the command `rbee`. */
export const layerInstallationTest = (command: Installation["Type"]["command"] = ["rbee"]): Layer.Layer<Installation> =>
  Layer.succeed(Installation, { command })
