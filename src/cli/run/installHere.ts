/** The work of `rbee install`. */
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { LocalInstallation } from "../../domain/LocalInstall.js"
import { PackagerLive } from "../../layers/PackagerLive.js"
import { premisesLive } from "../../layers/PremisesLive.js"
import { installHere } from "../../programs/installHere.js"
import type { InstallFlags } from "../commands/install.js"
import { runKeeper } from "../keeper.js"
import { servicesText, unitsText } from "../render/install.js"
import { toStderr, toStdout } from "../render/terminal.js"

/** Installs, prints the units, and says what makes services of them. */
export const run = ({ system, root, cuda, json }: InstallFlags) =>
  runKeeper(
    Effect.gen(function* () {
      const place = premisesLive({ root: Option.map(root, (folder) => Path.resolve(folder)), cuda, shared: system })
      const installed = yield* Effect.provide(installHere(system ? "system" : "user"), Layer.merge(place, PackagerLive))
      if (json) return yield* toStdout(`${encode(installed)}\n`)
      yield* toStderr(servicesText(installed))
      yield* toStdout(unitsText(installed))
    }),
    { telling: json ? "quiet" : "human", keyless: true }
  )

const encode = Schema.encodeSync(Schema.parseJson(LocalInstallation))
