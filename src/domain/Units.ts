/** Quantities as rbee writes them: the unit stands last in every field's name. */
import * as Schema from "effect/Schema"

/** A whole number of mebibytes (2^20 bytes), shown to users as "MB". */
export const Megabytes = Schema.NonNegativeInt.annotations({ identifier: "Megabytes" })

/** A whole number of bytes. */
export const Bytes = Schema.NonNegativeInt.annotations({ identifier: "Bytes" })

/** Milliseconds, rounded to a whole number. */
export const Milliseconds = Schema.NonNegativeInt.annotations({ identifier: "Milliseconds" })

/** A count of things: tokens, slots, layers, retries. */
export const Count = Schema.NonNegativeInt.annotations({ identifier: "Count" })

/** Seconds since 1970, as the SQLite tables store times. */
export const UnixSeconds = Schema.NonNegativeInt.annotations({ identifier: "UnixSeconds" })

/** A TCP port that a user may name: 1024 to 65535. */
export const Port = Schema.Int.pipe(Schema.between(1024, 65535)).annotations({
  identifier: "Port",
  message: () => "a port between 1024 and 65535"
})

/** A port to listen on: a {@link Port}, or 0 to let the system choose a free one. */
export const ListenPort = Schema.Union(Schema.Literal(0), Port).annotations({
  identifier: "ListenPort",
  message: () => ({ message: "a port between 1024 and 65535, or 0 to let the system choose", override: true })
})

/** Bytes as whole mebibytes, rounded up: what is needed must never be understated. */
export const megabytesNeeded = (bytes: number): number => Math.ceil(bytes / 1024 ** 2)

/** Bytes in megabytes (10^6) with one decimal, as sizes of files are shown. */
export const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)

/** Bytes as whole mebibytes, rounded down: what is free must never be overstated. */
export const megabytesFree = (bytes: number): number => Math.floor(bytes / 1024 ** 2)
