/** The hive's table of models. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { CatalogUnavailable } from "../domain/errors/Hive.js"
import type { ModelEntry, Provider } from "../domain/Model.js"

/** Models that are on this node's disk, by their reference's text. */
export class ModelCatalog extends Context.Tag("rbee/ModelCatalog")<
  ModelCatalog,
  {
    readonly find: (reference: string) => Effect.Effect<Option.Option<ModelEntry>, CatalogUnavailable>
    readonly list: Effect.Effect<ReadonlyArray<ModelEntry>, CatalogUnavailable>
    /** The entries of what comes from there. */
    readonly ofProvider: (provider: Provider) => Effect.Effect<ReadonlyArray<ModelEntry>, CatalogUnavailable>
    /** Adds an entry, or replaces the one of the same reference and provider. */
    readonly put: (entry: ModelEntry) => Effect.Effect<void, CatalogUnavailable>
    readonly remove: (reference: string) => Effect.Effect<void, CatalogUnavailable>
  }
>() {}
