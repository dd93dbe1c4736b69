/** The work of `rbee hive start`: what a queen runs on a node over SSH. */
import { text as readAll } from "node:stream/consumers"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { HiveStarted } from "../../domain/Hive.js"
import { ensureHive } from "../../programs/ensureHive.js"
import { Tokens } from "../../services/Tokens.js"
import type { HiveStartFlags } from "../commands/hive.js"
import { runKeeper } from "../keeper.js"
import { toStdout } from "../render/terminal.js"

/** Prints the hive's address and key as one JSON line. The key comes by stdin; at a terminal one is made. */
export const run = ({ direct }: HiveStartFlags) =>
  runKeeper(
    Effect.gen(function* () {
      const given = process.stdin.isTTY ? "" : (yield* Effect.promise(() => readAll(process.stdin))).trim()
      const token = given === "" ? yield* Effect.flatMap(Tokens, (tokens) => tokens.secret) : Redacted.make(given)
      const hive = yield* ensureHive(token, { direct })
      yield* toStdout(`${Schema.encodeSync(Schema.parseJson(HiveStarted))(hive)}\n`)
    }),
    { telling: "human", keyless: true }
  )
