import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { BackendReport, GpuBackend } from "../domain/Device.js"
import { describe } from "../domain/errors/Catalogue.js"
import type { SshCommandFailed, SshConnectError } from "../domain/errors/Ssh.js"
import { Detection, type NodeRecord } from "../domain/Node.js"
import { Gpu } from "../services/Gpu.js"
import { type Narrator, voiceOf } from "../services/Narrator.js"
import { Ssh } from "../services/Ssh.js"

const say = voiceOf("queen-rbee")

/** What the node can compute on: always its CPU, and each GPU backend with its devices, or the reason why not. */
export const detectBackends: Effect.Effect<ReadonlyArray<BackendReport>, never, Gpu> = Effect.gen(function* () {
  const gpus = yield* Effect.forEach(["cuda", "metal"] as const, detect, { concurrency: "unbounded" })
  return Arr.prepend(gpus, { name: "cpu" as const, available: true, devices: [] })
}).pipe(Effect.withSpan("rbee.detectBackends"))

const detect = (name: GpuBackend): Effect.Effect<BackendReport, never, Gpu> =>
  Effect.flatMap(Gpu, (gpu) => gpu.inventory(name)).pipe(
    Effect.match({
      onSuccess: ({ devices, unusable }) => ({
        ...{ name, available: true, devices },
        ...(unusable.length === 0 ? {} : { unusable })
      }),
      onFailure: (error) => ({
        name,
        available: false,
        devices: [],
        reason: error._tag === "CudaUnavailable" ? error.reason : describe(error).message
      })
    })
  )

/** The registry's two columns of what was found: the backends that can be used, and how many devices each has. */
export const detectionOf = (reports: ReadonlyArray<BackendReport>): Detection => {
  const usable = Arr.filter(
    reports,
    ({ name, available, devices }) => name === "cpu" || (available && devices.length > 0)
  )
  return {
    backends: Arr.map(usable, ({ name }) => name),
    devices: Object.fromEntries(usable.map(({ name, devices }) => [name, name === "cpu" ? 1 : devices.length]))
  }
}

/**
 * What `rbee-hive detect` on a node says it can compute on; `hive_command` is phase 2a's finding. None where that rbee does not
 * know the command or its answer cannot be read: that is told, and is no failure.
 */
export const detectThere: (
  node: NodeRecord,
  hive_command: string
) => Effect.Effect<Option.Option<Detection>, SshConnectError | SshCommandFailed, Ssh | Narrator | Scope.Scope> =
  Effect.fn("rbee.detectThere")(function* (node, hive_command) {
    const ssh = yield* Ssh
    const session = yield* ssh.session(node, "refuse-unknown")
    const { exit_code, stdout } = yield* session.exec([hive_command, "detect", "--json"])
    const found = exit_code === 0 ? decodeDetection(stdout) : Option.none()
    if (Option.isNone(found)) {
      yield* say("⚠️", "Its rbee could not tell what it can compute on")
      return found
    }
    const { devices } = found.value
    const counts = found.value.backends.map((name) => `${name} ${devices[name] ?? 0}`)
    yield* say("🔬", `Detected backends and devices: ${counts.join(", ")}`)
    return found
  })

const decodeDetection = Schema.decodeUnknownOption(Schema.parseJson(Detection))
