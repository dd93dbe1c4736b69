/** The metadata of a GGUF file: first where each value is, then the few values that are asked for. */
import { type Cursor, NotGguf } from "./cursor.js"

/** An entry takes this at least: the key's length, the type, a byte. */
export const metadataEntryBytes = 13

/** The format allows 65,535; real ones have less than 100. All of them are kept at once. */
const keyBytesMax = 255
const string = 8
const array = 9

/** The sizes of the scalar types by number: u8 i8 u16 i16 u32 i32 f32 bool, then string and array, then u64 i64 f64. */
const scalarBytes = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8]

/** Reads an integer of each type; for negative ones there is no use here. */
const unsigned: Readonly<Record<number, (cursor: Cursor) => number>> = {
  0: (cursor) => cursor.u8(),
  1: (cursor) => signed(cursor.u8(), 2 ** 7),
  2: (cursor) => cursor.u16(),
  3: (cursor) => signed(cursor.u16(), 2 ** 15),
  4: (cursor) => cursor.u32(),
  5: (cursor) => signed(cursor.u32(), 2 ** 31),
  10: (cursor) => cursor.u64(),
  11: (cursor) => signed(cursor.u64(), 2 ** 63)
}

const negative = -1
const signed = (value: number, limit: number): number => (value < limit ? value : negative)

/** Where a value is, and how many there are where it is an array. */
interface Place {
  readonly type: number
  readonly position: number
  readonly count: number | null
}

/** What a header says. A value of an unexpected type counts as not said. */
export class Metadata {
  readonly #places = new Map<string, Place>()

  /** Walks over `count` entries. */
  constructor(
    private readonly cursor: Cursor,
    count: number
  ) {
    cursor.budget.spend("entries", count)
    for (let left = count; left > 0; left--) {
      const key = cursor.text(keyBytesMax, "latin1", "a key")
      if (this.#places.has(key)) throw new NotGguf("its header says the same thing twice")
      this.#places.set(key, walk(cursor))
    }
  }

  /** A whole number from 0 to 2^53. */
  integer(key: string): number | undefined {
    const place = this.#places.get(key)
    return place === undefined || place.count !== null ? undefined : this.#integers(place, 1)?.[0]
  }

  /** A whole number for each of `count` things: one for all, or an array of as many at least. */
  integers(key: string, count: number): ReadonlyArray<number> | undefined {
    const place = this.#places.get(key)
    if (place === undefined) return undefined
    if (place.count !== null) return place.count < count ? undefined : this.#integers(place, count)
    const one = this.#integers(place, 1)?.[0]
    return one === undefined ? undefined : new Array<number>(count).fill(one)
  }

  /** A text; one that is longer refuses the file. */
  text(key: string, bytesMax: number): string | undefined {
    const place = this.#places.get(key)
    if (place === undefined || place.type !== string || place.count !== null) return undefined
    return this.cursor.at(place.position, () => this.cursor.text(bytesMax, "utf8", `"${key}"`))
  }

  /** How many elements an array has. */
  length(key: string): number | undefined {
    return this.#places.get(key)?.count ?? undefined
  }

  #integers({ type, position }: Place, count: number): ReadonlyArray<number> | undefined {
    const read = unsigned[type]
    if (read === undefined) return undefined
    const values = this.cursor.at(position, () => Array.from({ length: count }, () => read(this.cursor)))
    return values.every((value) => value >= 0 && value <= Number.MAX_SAFE_INTEGER) ? values : undefined
  }
}

/** Notes where a value is and moves past it. Arrays of scalars are not looked at: their length says how long they are. */
const walk = (cursor: Cursor): Place => {
  const type = cursor.u32()
  if (type !== array) {
    const place = { type, position: cursor.position, count: null }
    if (type === string) cursor.skipText()
    else cursor.skip(bytesOfScalar(type))
    return place
  }
  const element = cursor.u32()
  const bytes = element === string ? 8 : bytesOfScalar(element)
  const count = cursor.count(bytes)
  const place = { type: element, position: cursor.position, count }
  if (element === string) cursor.skipTexts(count)
  else cursor.skip(count * bytes)
  return place
}

const bytesOfScalar = (type: number): number => {
  const bytes = scalarBytes[type]
  if (bytes === undefined) throw new NotGguf("its header holds a value of an unknown type")
  return bytes
}
