/** The hives that a queen holds, in memory: every node has one that answers, unless it is said to fail. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type { ConnectHiveError } from "../domain/errors/Phases.js"
import { TunnelFailed } from "../domain/errors/Ssh.js"
import type { HiveConnection } from "../domain/Hive.js"
import type { NodeName } from "../domain/Ids.js"
import { isLocal } from "../domain/Node.js"
import { version } from "../domain/Version.js"
import { Hives } from "../services/Hives.js"
import { makeJournal } from "./journal.js"

/** How connecting and reaching go; by default they do. */
export interface HivesTestOptions {
  readonly fault?: ConnectHiveError | null
  /** Whether hives run before they are asked for; by default they do. */
  readonly running?: boolean
  /** Why no tunnel can be opened. */
  readonly tunnel_fault?: string | null
}

/** What happened, in order. */
export type HivesEvent =
  | { readonly _tag: "connected"; readonly node: NodeName }
  | { readonly _tag: "claimed"; readonly node: NodeName }
  | { readonly _tag: "released"; readonly node: NodeName }
  | { readonly _tag: "reached"; readonly node: NodeName; readonly url: string }

/** What a tunnel adds to a port, so that a test can tell the two ends apart. */
const tunnel_offset = 10_000

/** The tests' side of {@link Hives}. */
export class HivesTest extends Context.Tag("rbee/HivesTest")<
  HivesTest,
  { readonly journal: Effect.Effect<ReadonlyArray<HivesEvent>> }
>() {
  /** The double. An address on another node than this is reached 10000 ports higher. */
  static readonly layer = (options: HivesTestOptions = {}): Layer.Layer<Hives | HivesTest> =>
    Layer.effectContext(Effect.sync(() => make(options)))
}

const connectionTo = (node: NodeName): HiveConnection => ({
  address: { node, url: "http://127.0.0.1:9200", token: Redacted.make("hive-token") },
  version,
  started: true
})

const make = ({ fault = null, running = true, tunnel_fault = null }: HivesTestOptions) => {
  const { note, entries } = makeJournal<HivesEvent>()
  const hives = Hives.of({
    connect: ({ node_name: node }) =>
      Effect.gen(function* () {
        if (fault !== null) return yield* Effect.fail(fault)
        yield* note({ _tag: "connected", node })
        return connectionTo(node)
      }),
    claim: ({ node_name: node }) =>
      fault !== null && fault._tag !== "HiveClaimed"
        ? Effect.fail(fault)
        : Effect.as(note({ _tag: "claimed", node }), connectionTo(node)),
    running: ({ node_name }) =>
      fault !== null
        ? Effect.fail(fault)
        : Effect.succeed(running ? Option.some(connectionTo(node_name)) : Option.none()),
    release: (node) => note({ _tag: "released", node }),
    reach: (node, url) =>
      Effect.gen(function* () {
        if (isLocal(node)) return url
        const { node_name } = node
        const port = Number(/:(\d+)/.exec(url.replace("://", ""))?.[1] ?? 0)
        if (tunnel_fault !== null) return yield* new TunnelFailed({ node: node_name, port, reason: tunnel_fault })
        yield* note({ _tag: "reached", node: node_name, url })
        return `http://127.0.0.1:${port + tunnel_offset}`
      })
  })
  return Context.make(Hives, hives).pipe(Context.add(HivesTest, HivesTest.of({ journal: entries })))
}
