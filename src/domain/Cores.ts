/** The processor's cores, and which of them have time for a worker (Gap-R4). */
import * as Arr from "effect/Array"
import * as Order from "effect/Order"

/** A core, and how much of the last moment it was busy. */
export interface CoreLoad {
  readonly core: number
  readonly busy_percent: number
}

/** A core that is busier than this has no time. */
const busy_percent_max = 50

const calmestFirst = Order.combine(
  Order.mapInput(Order.number, ({ busy_percent }: CoreLoad) => busy_percent),
  Order.mapInput(Order.number, ({ core }: CoreLoad) => core)
)

/** So many of the least busy cores; where nobody says how many, those that are idle half of the time, and one at least. In their order. */
export const lessBusy = (cores: ReadonlyArray<CoreLoad>, wanted: number | null): ReadonlyArray<CoreLoad> => {
  const calm = cores.filter(({ busy_percent }) => busy_percent <= busy_percent_max).length
  const chosen = Arr.take(Arr.sort(cores, calmestFirst), wanted ?? Math.max(1, calm))
  return Arr.sort(
    chosen,
    Order.mapInput(Order.number, ({ core }: CoreLoad) => core)
  )
}
