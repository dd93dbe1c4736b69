/** What may go wrong with a hub, and how often it still will. */

/** Which requests a fault meets, and how often. */
export interface HubFaultReach {
  /** How often it takes effect; by default once. May be Infinity. */
  readonly times?: number
  /** By default any. A string is a part of the path; a file has its own, `org/repo/path/file.gguf`, on the CDN too. */
  readonly on?: { readonly host?: "hub" | "cdn"; readonly path?: string | RegExp }
}

/**
 * Something that goes wrong. But for `status` and `names`, it happens to GETs of a file's bytes. Offsets are the
 * file's own, whatever range is asked for. A fault is used up when it takes effect: never by a range that its offset
 * lies outside of.
 */
export type HubFault = HubFaultReach &
  (
    | {
        /** The connection ends after the bytes before this offset: 0 leaves the headers. */
        readonly _tag: "cut"
        readonly after_bytes: number
        /** With a RST, which may overtake those bytes. */
        readonly reset?: boolean
      }
    /** Nothing follows the bytes before this offset, and the connection stays. */
    | { readonly _tag: "stall"; readonly after_bytes: number }
    /** The lowest bit of the byte at this offset is the wrong one. */
    | { readonly _tag: "flip"; readonly at: number }
    /** The signature is valid no more: at once, with a 403, or from this offset on, where the connection ends. */
    | { readonly _tag: "expire"; readonly after_bytes?: number }
    /** This answer to any request at all. */
    | {
        readonly _tag: "status"
        readonly status: number
        readonly headers?: Readonly<Record<string, string>>
        readonly body?: string
      }
    /** The whole file, with 200, where a range was asked for. */
    | { readonly _tag: "ignoreRanges" }
    /** The right bytes of a range, as if they began so many bytes later. */
    | { readonly _tag: "lieAboutRange"; readonly shift: number }
    /** A page of HTML, with 200. */
    | { readonly _tag: "html" }
    /** The file ends after so many bytes, and all headers agree. */
    | { readonly _tag: "truncate"; readonly bytes: number }
    /** So many bytes a second, in each such response. */
    | { readonly _tag: "slow"; readonly bytes_per_second: number }
    /** The repository's list has these files too, of 1000 bytes each; there are none. */
    | { readonly _tag: "names"; readonly names: ReadonlyArray<string> }
  )

/** The faults of these kinds. */
export type FaultOf<T extends HubFault["_tag"]> = Extract<HubFault, { readonly _tag: T }>

/** A fault that may still come about. */
export interface LiveFault<F extends HubFault = HubFault> {
  readonly fault: F
  /** How many times. */
  left: number
}

/** A request, as faults look at it. */
export interface FaultTarget {
  readonly host: "hub" | "cdn"
  readonly method: string
  /** Its path, and the name of the file that it is about. */
  readonly paths: ReadonlyArray<string>
}

/** The faults of these kinds that meet a request by now, in the order they were added. */
export type Meeting = <T extends HubFault["_tag"]>(...kinds: ReadonlyArray<T>) => ReadonlyArray<LiveFault<FaultOf<T>>>

/** A hub's faults. */
export interface Faults {
  readonly add: (fault: HubFault) => void
  readonly clear: () => void
  readonly meeting: (target: FaultTarget) => Meeting
}

/** No faults yet. */
export const makeFaults = (): Faults => {
  let faults: ReadonlyArray<LiveFault> = []
  return {
    add: (fault) => {
      faults = [...faults, { fault, left: fault.times ?? 1 }]
    },
    clear: () => {
      faults = []
    },
    meeting:
      (target) =>
      (...kinds) =>
        faults.filter(isOf(kinds)).filter(({ fault, left }) => left > 0 && meets(fault, target))
  }
}

/** Uses the first of these faults once, if there is one. */
export const take = <F extends HubFault>([first]: ReadonlyArray<LiveFault<F>>): F | undefined => {
  if (first !== undefined) first.left -= 1
  return first?.fault
}

const isOf =
  <T extends HubFault["_tag"]>(kinds: ReadonlyArray<T>) =>
  (live: LiveFault): live is LiveFault<FaultOf<T>> =>
    kinds.some((kind) => kind === live.fault._tag)

const meets = ({ _tag, on = {} }: HubFault, { host, method, paths }: FaultTarget): boolean => {
  const { path = "" } = on
  return (
    (on.host === undefined || on.host === host) &&
    (method === "GET" || _tag === "status") &&
    // `search` heeds no flags: a global expression would go on where it last matched
    paths.some((own) => (typeof path === "string" ? own.includes(path) : own.search(path) >= 0))
  )
}
