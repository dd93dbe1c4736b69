/** What the commands that ask a queen about nodes do alike. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { SshKeyNotFound } from "../../domain/errors/Ssh.js"
import { NodeName } from "../../domain/Ids.js"
import type { Report } from "../../domain/Narration.js"
import { findQueen } from "../../programs/01-submitTask.js"
import { type Narrator, report } from "../../services/Narrator.js"
import { type QueenAddress, QueenClient } from "../../services/QueenClient.js"
import { invalid } from "../render/issues.js"

/** A queen to ask, for as long as the scope: the one that runs, or one of our own. */
export const someQueen = Effect.gen(function* () {
  const queen = yield* findQueen(false)
  return { queen, client: yield* QueenClient } satisfies { queen: QueenAddress; client: QueenClient["Type"] }
})

/** Tells what is reported on the way, and shows what it comes to. */
export const follow = <A extends object, E, R>(
  events: Stream.Stream<A, E>,
  show: (result: Exclude<A, Report>) => Effect.Effect<void, never, R>
): Effect.Effect<void, E, R | Narrator> =>
  Stream.runForEach(
    events,
    (event): Effect.Effect<void, never, R | Narrator> =>
      isReport(event) ? report(event) : show(event as Exclude<A, Report>) // the compiler cannot tell it of an open type
  )

/** Results carry no type: what they are for tells them apart. */
const isReport = <A extends object>(event: A): event is Extract<A, Report> => Predicate.hasProperty(event, "type")

/** A node's name as a flag gives it. */
export const readName = (name: string) => Effect.mapError(Schema.decode(NodeName)(name), invalid)

/**
 * A private key's path as a flag gives it, made absolute. One that is not there is refused before the queen is asked (SSH-8); a path below
 * ~ is the queen's to resolve, which runs as the same user.
 */
export const readKey = (path: string) => {
  const key = path.startsWith("~/") ? path : Path.resolve(path)
  return key.startsWith("~/") || Fs.existsSync(key) ? Effect.succeed(key) : new SshKeyNotFound({ path: key })
}
