/** Chances that can be repeated: one seed, one sequence (mulberry32). */
export class Chance {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0 and below 1. */
  readonly next = (): number => {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number from one bound to the other, both included. */
  readonly between = (first: number, last: number): number => first + Math.floor(this.next() * (last - first + 1))

  /** One of them, where there is one. */
  readonly pick = <A>(items: ReadonlyArray<A>): A | undefined => items[this.between(0, items.length - 1)]

  /** The same in another order. */
  readonly shuffled = <A>(items: ReadonlyArray<A>): ReadonlyArray<A> =>
    items
      .map((item) => ({ item, at: this.next() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item)
}
