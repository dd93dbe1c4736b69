/** Models that a queen starts when somebody asks for them (`[models.<name>]`). */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Backend, DeviceIndex } from "./Device.js"
import { NodeName } from "./Ids.js"
import { ModelRef } from "./ModelRef.js"
import { WorkerShape } from "./Placement.js"
import { DurationText } from "./Time.js"

/** A model under a name of its own: where it may be started, and how. */
export const ModelOffer = Schema.Struct({
  ref: ModelRef,
  /** A node, or `any`: the first on which it fits, this machine first. */
  node: Schema.optionalWith(NodeName, { default: () => NodeName.make("localhost") }),
  backend: Schema.optionalWith(Backend, { default: () => "cpu" as const }),
  device: Schema.optionalWith(Schema.NullOr(DeviceIndex), { default: () => null }),
  slots: Schema.optionalWith(WorkerShape.fields.slots, { default: () => 1 }),
  ctx_size: Schema.optionalWith(WorkerShape.fields.ctx_size, { default: () => null }),
  /** After so long without a request its worker is stopped; left out, after the time that the node's hive is set to. */
  idle: Schema.optional(
    DurationText.pipe(
      Schema.filter((idle) => Duration.greaterThanOrEqualTo(idle, Duration.seconds(1)) || "a second at least")
    )
  )
}).annotations({ identifier: "ModelOffer", parseOptions: { errors: "all", onExcessProperty: "error" } })
export type ModelOffer = typeof ModelOffer.Type

/** The offers by their names. */
export type ModelOffers = ReadonlyMap<string, ModelOffer>

/** Any node at all; no machine can be called so, for a node's name is chosen by its user and this one is taken. */
export const anyNode: NodeName = NodeName.make("any")

/** The offer that a request means: by its name, or by the model's reference. */
export const offerFor = (offers: ModelOffers, model: string): ModelOffer | undefined =>
  offers.get(model) ?? [...offers.values()].find(({ ref }) => ref.toString() === model)

/** What workers call the model that a request means. */
export const referenceOf = (offers: ModelOffers, model: string): string =>
  offerFor(offers, model)?.ref.toString() ?? model
