/** How a hub and its CDN answer: short answers, and files by the byte, with what goes wrong under way. */
import * as Fs from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type Meeting, take } from "./faults.js"
import type { HubFile, StoredFile } from "./repos.js"

/** A request that the hub or its CDN got, and what became of it. */
export interface HubRequest {
  readonly host: "hub" | "cdn"
  readonly method: string
  /** As the client encoded it. */
  readonly path: string
  /** With its question mark; empty where there is none. */
  readonly query: string
  readonly range: string | null
  readonly authorization: string | null
  /** Of the request; their names in lower case. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  /** Of the answer; 0 while there is none. */
  readonly status: number
  /** How many bytes of a file were handed to the socket so far. */
  readonly sent_bytes: number
}

/** A request under way. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** What the journal says of it. */
  readonly entry: { -readonly [K in keyof HubRequest]: HubRequest[K] }
  readonly meeting: Meeting
}

type Headers = Readonly<Record<string, string | number>>

const begin = ({ entry, response }: Exchange, status: number, headers: Headers): void => {
  entry.status = status
  response.writeHead(status, headers)
}

/** Answers with a text. */
export const answer = (exchange: Exchange, status: number, headers: Headers, body = ""): void => {
  begin(exchange, status, { "content-length": Buffer.byteLength(body), ...headers })
  exchange.response.end(body)
}

const page = "<!doctype html><title>Sorry</title><h1>The page takes too long to load</h1>\n"

/** How much of a file is read and handed to the socket at once, in bytes. */
const piece_bytes = 1 << 20
/** How many pieces a second a slow response has, where they are smaller than that. */
const pieces_per_second = 20

/** Answers with a file, or the range of it that is asked for; `expire` ends the signature that it is sent by. */
export const answerFile = async (
  exchange: Exchange,
  file: StoredFile,
  more: { readonly headers?: Headers; readonly expire?: () => void }
): Promise<void> => {
  const { entry, meeting, request, response } = exchange
  if (take(meeting("html"))) return answer(exchange, 200, { "content-type": "text/html" }, page)

  const truncated = take(meeting("truncate").filter(({ fault }) => fault.bytes < file.size_bytes))
  const size = truncated?.bytes ?? file.size_bytes
  const etag = `"${file.digest}"`
  const headers = { ...more.headers, etag, "accept-ranges": "bytes", "content-type": "application/octet-stream" }
  const asked = rangeAsked(request, etag)
  const range = asked === null || take(meeting("ignoreRanges")) ? null : asked
  const start = range?.start ?? 0
  const end = Math.min(range?.end ?? size, size)
  if (range === null) {
    begin(exchange, 200, { ...headers, "content-length": size })
  } else if (start >= size) {
    return answer(exchange, 416, { ...headers, "content-range": `bytes */${size}` })
  } else {
    const told = start + (take(meeting("lieAboutRange"))?.shift ?? 0)
    const content_range = `bytes ${told}-${end - 1}/${size}`
    begin(exchange, 206, { ...headers, "content-length": end - start, "content-range": content_range })
  }
  if (request.method === "HEAD" || start === end) return void response.end()

  const pace = take(meeting("slow"))?.bytes_per_second ?? Number.POSITIVE_INFINITY
  const most = Math.max(1, Math.min(piece_bytes, Math.round(pace / pieces_per_second)))
  let offset = start
  for await (const piece of pieces(file.content, start, end, most)) {
    // Faults are looked at piece by piece, and used at once: of two ranges under way, one alone meets a cut.
    const isNext = (at = -1): boolean => at >= offset && at < offset + piece.length
    const stops = meeting("cut", "stall", "expire").filter(
      ({ fault }) => isNext(fault.after_bytes) && (fault._tag !== "expire" || more.expire !== undefined)
    )
    const stop = take(stops.sort((a, b) => (a.fault.after_bytes ?? 0) - (b.fault.after_bytes ?? 0)))
    const whole = piece.subarray(0, stop?.after_bytes === undefined ? piece.length : stop.after_bytes - offset)
    const flips = meeting("flip").filter(({ fault: { at } }) => isNext(at) && at < offset + whole.length)
    const part = flips.length === 0 ? whole : Uint8Array.from(whole)
    for (const flip of flips) {
      const at = flip.fault.at - offset
      part[at] = (part[at] ?? 0) ^ 1
      take([flip])
    }
    entry.sent_bytes += part.length
    if (!(await written(response, part)) || stop?._tag === "stall") return
    if (stop?._tag === "expire") more.expire?.()
    if (stop !== undefined) {
      const abrupt = stop._tag === "cut" && stop.reset === true
      return void (abrupt ? response.socket?.resetAndDestroy() : response.socket?.destroy())
    }
    offset += piece.length
    if (Number.isFinite(pace)) await pause(response, (piece.length / pace) * 1000)
  }
  response.end()
}

/** The range of bytes that is asked for, its end exclusive; null for the whole file, as for ranges of other kinds. */
const rangeAsked = (
  { headers }: IncomingMessage,
  etag: string
): { readonly start: number; readonly end: number } | null => {
  const found = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? "")
  if (found === null || (headers["if-range"] ?? etag) !== etag) return null
  const start = Number(found[1])
  const end = found[2] === "" ? Number.POSITIVE_INFINITY : Number(found[2]) + 1
  return start < end ? { start, end } : null
}

/** The bytes of a file from an offset to another, which is exclusive. */
const pieces = (
  content: HubFile["content"],
  start: number,
  end: number,
  most: number
): Iterable<Uint8Array> | AsyncIterable<Uint8Array> =>
  content instanceof Uint8Array
    ? Array.from({ length: Math.ceil((end - start) / most) }, (_, n) =>
        content.subarray(start + n * most, Math.min(end, start + (n + 1) * most))
      )
    : Fs.createReadStream(content.path, { start, end: end - 1, highWaterMark: most })

/** Hands bytes to the socket and waits until it has passed them on; false once the client is gone. */
const written = (response: ServerResponse, bytes: Uint8Array): Promise<boolean> =>
  new Promise((resume) => {
    if (response.destroyed) return resume(false)
    const gone = () => resume(false)
    response.once("close", gone)
    response.write(bytes, (error) => {
      response.off("close", gone)
      resume(error === null || error === undefined)
    })
  })

/** Waits, or until the client is gone. */
const pause = (response: ServerResponse, milliseconds: number): Promise<void> =>
  new Promise((resume) => {
    const done = () => {
      clearTimeout(timer)
      response.off("close", done)
      resume()
    }
    const timer = setTimeout(done, milliseconds)
    response.once("close", done)
    if (response.destroyed) done()
  })
