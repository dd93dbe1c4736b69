/** The work of `rbee hive detect`. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { Detection } from "../../domain/Node.js"
import { GpuNvidiaSmi } from "../../layers/GpuNvidiaSmi.js"
import { ProcessesLive } from "../../layers/ProcessesLive.js"
import { SettingsLive } from "../../layers/SettingsLive.js"
import { detectBackends, detectionOf } from "../../programs/detectBackends.js"
import { reportError } from "../keeper.js"
import { detectionText } from "../render/nodes.js"
import { toStdout } from "../render/terminal.js"

const Machine = GpuNvidiaSmi.pipe(Layer.provide(ProcessesLive), Layer.provide(SettingsLive))

/** Looks at this machine, whatever runs on it. Queens read the JSON when a node is added. */
export const run = ({ json }: { readonly json: boolean }) =>
  Effect.gen(function* () {
    const reports = yield* detectBackends
    const found = detectionOf(reports)
    yield* toStdout(json ? `${encodeDetection(found)}\n` : detectionText(reports, found))
  }).pipe(Effect.provide(Machine), Effect.catchAll(reportError({ telling: "human" })))

const encodeDetection = Schema.encodeSync(Schema.parseJson(Detection))
