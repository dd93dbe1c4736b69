/** What a command prints: kept up to a limit, and told line by line. */
import type { Readable } from "node:stream"
import { StringDecoder } from "node:string_decoder"
import * as Effect from "effect/Effect"

/** How much of each stream is kept; the rest is read and dropped, since unread output would stall the command. */
const kept_bytes = 16 * 1024 ** 2

/** Reads a stream to its end and gives how it began. */
export const keepFirst = (stream: Readable): (() => string) => {
  const kept = growing()
  stream.on("data", (chunk: Buffer) => kept.add(chunk.subarray(0, kept_bytes - kept.length())))
  return () => kept.last(kept_bytes)
}

/** Reads a stream to its end and gives how it ended: what a command complains of comes last. */
export const keepLast = (stream: Readable): (() => string) => {
  const kept = growing()
  stream.on("data", (chunk: Buffer) => {
    kept.add(chunk)
    if (kept.length() >= 2 * kept_bytes) kept.cut(kept_bytes)
  })
  return () => kept.last(kept_bytes)
}

/** One buffer that doubles when it is full: a list of chunks costs much more where a command prints byte by byte. */
const growing = () => {
  let buffer = Buffer.alloc(0)
  let length = 0
  const add = (chunk: Buffer) => {
    if (length + chunk.length > buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * buffer.length, length + chunk.length))
      buffer.copy(larger, 0, 0, length)
      buffer = larger
    }
    length += chunk.copy(buffer, length)
  }
  const cut = (left: number) => {
    buffer.copyWithin(0, length - left, length)
    length = left
  }
  const last = (most: number) => buffer.toString("utf8", Math.max(0, length - most), length)
  return { add, cut, last, length: () => length }
}

/** Lines that were read and not yet told, at most; then the command has to wait. Few, since each may be long. */
const waiting_max = 256

/** A longer line comes in pieces, so that what is waiting has a limit. */
const line_chars_max = 64 * 1024

/** Lines on their way from a command's streams to whoever wants them. */
export interface Lines {
  /** Reads a stream's lines from now on. Each stream's lines keep their order. */
  readonly from: (stream: Readable) => void
  /** Tells the lines one after the other; ends after `end`, once all are told. */
  readonly tell: (onLine: (line: string) => Effect.Effect<void>) => Effect.Effect<void>
  /** Nothing comes after this. */
  readonly end: Effect.Effect<void>
  /** Nobody wants the lines any more: what comes is dropped, and the streams flow, so that their channel can end. */
  readonly drop: () => void
}

/**
 * Lines with backpressure: while too many wait, the streams are paused, all of them at once, since they share the channel's
 * window: a paused one beside a flowing one would hold up both.
 */
export const makeLines = (): Lines => {
  const streams: Array<Readable> = []
  const waiting: Array<string> = []
  let ended = false
  let dropped = false
  let wake = () => {}

  const add = (line: string) => {
    if (dropped) return
    waiting.push(line.endsWith("\r") ? line.slice(0, -1) : line)
    if (waiting.length > waiting_max) for (const stream of streams) stream.pause()
    wake()
  }
  const from = (stream: Readable) => {
    streams.push(stream)
    const decoder = new StringDecoder("utf8")
    let begun = ""
    stream.on("data", (chunk: Buffer) => {
      const parts = (begun + decoder.write(chunk)).split("\n")
      begun = parts.pop() ?? ""
      parts.forEach(add)
      if (begun.length <= line_chars_max) return
      add(begun)
      begun = ""
    })
    stream.on("end", () => {
      const rest = begun + decoder.end()
      if (rest !== "") add(rest)
    })
  }
  const flow = () => {
    for (const stream of streams) if (stream.isPaused()) stream.resume()
  }
  const next = Effect.async<ReadonlyArray<string>>((resume) => {
    const give = () => {
      wake = () => {}
      resume(Effect.succeed(waiting.splice(0)))
    }
    flow()
    if (waiting.length > 0 || ended) give()
    else wake = give
  })
  return {
    from,
    tell: (onLine) =>
      Effect.iterate(true, {
        while: (more) => more,
        body: () =>
          Effect.flatMap(next, (lines) => Effect.as(Effect.forEach(lines, onLine, { discard: true }), lines.length > 0))
      }),
    end: Effect.sync(() => {
      ended = true
      wake()
    }),
    drop: () => {
      dropped = true
      flow()
    }
  }
}
