import * as Path from "node:path"
import { SqlClient } from "@effect/sql/SqlClient"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { NodeAlreadyExists, NodeNotFound, RegistryUnavailable } from "../../domain/errors/Hive.js"
import { NodeRecord } from "../../domain/Node.js"
import { NodeRegistry } from "../../services/NodeRegistry.js"
import { patiently, reasonOf } from "./connection.js"
import { beehivesMigrations } from "./migrations/beehives.js"
import { sqliteLive } from "./SqliteLive.js"

/** A row of `beehives`: lists and maps stand there as JSON text. */
const Row = Schema.Struct({
  ...NodeRecord.fields,
  backends: Schema.parseJson(NodeRecord.fields.backends),
  devices: Schema.parseJson(NodeRecord.fields.devices)
})
const readRows = Schema.decodeUnknown(Schema.Array(Row))
const writeRow = Schema.encode(Row)

const make = (database: string) =>
  Effect.gen(function* () {
    const sql = yield* SqlClient
    /** Waits a little for foreign locks; whatever else SQLite says, or a row that is not one of ours, makes the registry unavailable. */
    const guarded = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.mapError(
        patiently(effect),
        (error) => new RegistryUnavailable({ database: Path.basename(database), reason: reasonOf(error) })
      )
    const list = guarded(Effect.flatMap(sql`SELECT * FROM beehives ORDER BY node_name`, readRows))
    return NodeRegistry.of({
      list,
      find: Effect.fn("NodeRegistry.find")(function* (name) {
        const rows = yield* guarded(Effect.flatMap(sql`SELECT * FROM beehives WHERE node_name = ${name}`, readRows))
        return yield* Effect.mapError(Arr.head(rows), () => new NodeNotFound({ node: name }))
      }),
      add: Effect.fn("NodeRegistry.add")(function* (node) {
        const row = yield* guarded(writeRow(node))
        const added = yield* guarded(
          sql`INSERT INTO beehives ${sql.insert(row)} ON CONFLICT DO NOTHING RETURNING node_name`
        )
        if (added.length === 0) return yield* new NodeAlreadyExists({ node: node.node_name })
      }),
      update: Effect.fn("NodeRegistry.update")(function* (node) {
        const row = yield* guarded(writeRow(node))
        const updated = yield* guarded(
          sql`UPDATE beehives SET ${sql.update(row, ["node_name"])} WHERE node_name = ${node.node_name} RETURNING node_name`
        )
        if (updated.length === 0) return yield* new NodeNotFound({ node: node.node_name })
      }),
      remove: Effect.fn("NodeRegistry.remove")(function* (name) {
        const removed = yield* guarded(sql`DELETE FROM beehives WHERE node_name = ${name} RETURNING node_name`)
        if (removed.length === 0) return yield* new NodeNotFound({ node: name })
      }),
      noteContact: Effect.fn("NodeRegistry.noteContact")(function* (name, { reached, problem }) {
        const now_unix = Math.floor((yield* Clock.currentTimeMillis) / 1000)
        yield* guarded(
          reached
            ? sql`UPDATE beehives SET status = 'reachable', last_error = ${problem}, last_connected_unix = ${now_unix} WHERE node_name = ${name}`
            : sql`UPDATE beehives SET status = 'unreachable', last_error = ${problem} WHERE node_name = ${name}`
        )
      })
    })
  })

/** The queen's registry in that file. */
export const nodeRegistrySql = (database: string): Layer.Layer<NodeRegistry, RegistryUnavailable> =>
  Layer.effect(NodeRegistry, make(database)).pipe(
    Layer.provide(sqliteLive(database, beehivesMigrations)),
    Layer.catchAll((error) =>
      Layer.fail(new RegistryUnavailable({ database: Path.basename(database), reason: error.reason }))
    )
  )
