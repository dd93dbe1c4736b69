/** One file from the hub to this disk: pieces side by side, each retried until it is there. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { DownloadFailed, DownloadTimeout } from "../../domain/errors/Model.js"
import { DiskFull } from "../../domain/errors/Resource.js"
import type { HubFile } from "../../domain/HubFiles.js"
import type { HubModel } from "../../domain/ModelRef.js"
import { megabytesNeeded } from "../../domain/Units.js"
import { type Narrator, voiceOf } from "../../services/Narrator.js"
import { type FileProblem, fileProblem } from "../fileProblem.js"
import type { Answer } from "./http.js"
import type { PartialFile } from "./partialFile.js"
import { type Hub, header, locate, open, patience, type Range, refuse } from "./requests.js"
import type { Throttle } from "./throttle.js"
import { type Broken, broken, Expired, NoRanges, Refused } from "./trouble.js"

const say = voiceOf("rbee-hive")

/** How many connections a file is fetched by. */
const connections = 8
/** How often in a row something may fail without a byte gained. */
const attempts_max = 6
/** The first delay between two attempts; each next one is twice as long (phases.md, "Times and retries"). */
const delay_ms_first = 100
/** A server that asks for more patience than this is not waited for. */
const patience_ms_max = 10 * 60_000
/** How much is gathered before it is written: a killed process loses no more of a file, and disks like large bites. */
const biteBytesOf = ({ size_bytes }: HubFile): number =>
  Math.min(1024 ** 2, Math.max(64 * 1024, Math.floor(size_bytes / 256)))
/** What happens within this time is one event. */
const moment_ms = 50

/** What is fetched, where from and how. */
export interface Order {
  readonly hub: Hub
  readonly model: HubModel
  readonly commit: string
  readonly file: HubFile
  readonly throttle: Throttle
  /** Tells of what is tried again. */
  readonly say: Say
}

type Say = typeof say

/** What breaks one connection breaks all of them: it is told once, not eight times. */
const onceAMoment = (tell: Say): Say => {
  let told_ms = Number.NEGATIVE_INFINITY
  return (emoji, human) =>
    Effect.flatMap(Clock.currentTimeMillis, (now_ms) => {
      if (now_ms - told_ms < moment_ms) return Effect.void
      told_ms = now_ms
      return tell(emoji, human)
    })
}

/** Fetches all that is missing. A server that gives no ranges is asked for everything at once, from the beginning. */
export const transfer = (given: Omit<Order, "say">, partial: PartialFile, onBytes: () => void) => {
  const order: Order = { ...given, say: onceAMoment(say) }
  const source = sourceOf(order)
  return inPieces(order, source, partial, onBytes).pipe(
    Effect.catchTag("NoRanges", ({ reason }) =>
      Effect.zipRight(say("🐢", `Fetching it in one piece: ${reason}`), atOnce(order, source, partial, onBytes))
    )
  )
}

type Source = ReturnType<typeof sourceOf>

const inPieces = (order: Order, source: Source, partial: PartialFile, onBytes: () => void) =>
  Effect.gen(function* () {
    const pieces = partial.unfinished
    // Whether ranges are given shows at the first; the others wait for that.
    const given = yield* Deferred.make<void>()
    const fetchOne = (piece: number, index: number) =>
      Effect.zipRight(
        index === 0 ? Effect.void : Deferred.await(given),
        persist(
          order,
          () => partial.missing(piece)?.start ?? 0,
          Effect.suspend(() => {
            const range = partial.missing(piece)
            if (range === null) return Effect.void
            return Effect.scoped(
              Effect.flatMap(source.open(range), (answer) =>
                Effect.zipRight(Deferred.succeed(given, undefined), keep(order, partial, piece, answer, onBytes))
              )
            )
          })
        )
      )
    yield* Effect.forEach(pieces, fetchOne, { concurrency: connections, discard: true })
  })

const atOnce = (order: Order, source: Source, partial: PartialFile, onBytes: () => void) =>
  persist(
    order,
    () => 0, // nothing of an attempt is kept, so none is a gain
    Effect.scoped(
      Effect.gen(function* () {
        yield* onDisk(order, partial, () => partial.restart())
        onBytes()
        const answer = yield* source.open(null)
        yield* keep(order, partial, 0, answer, onBytes)
      }).pipe(Effect.catchTag("NoRanges", ({ reason }) => Effect.fail(broken(reason)))) // none was asked for
    )
  )

/** Repeats what is broken: up to six times in a row without a gain. */
export const persist = <A, E extends Refused | NoRanges, R>(
  { model, say }: Pick<Order, "model" | "say">,
  gained: () => number,
  work: Effect.Effect<A, Broken | Expired | E, R>
): Effect.Effect<A, Refused | E, R | Narrator> => {
  const reference = model.toString()
  const go = (failures: number, before: number): Effect.Effect<A, Refused | E, R | Narrator> =>
    Effect.catchAll(work, (trouble) => {
      if (trouble._tag === "Broken") return again(failures, before, trouble)
      if (trouble._tag !== "Expired") return Effect.fail(trouble)
      return again(failures, before, { reason: trouble.reason, stalled: false, retry_after_ms: 0 })
    })
  const again = (failures: number, before: number, why: Pick<Broken, "reason" | "stalled" | "retry_after_ms">) =>
    Effect.suspend(() => {
      const now = gained()
      const inRow = now > before ? 1 : failures + 1
      const wait_ms = why.retry_after_ms ?? delay_ms_first * 2 ** (inRow - 1)
      if (inRow >= attempts_max || wait_ms > patience_ms_max) {
        const error = why.stalled
          ? new DownloadTimeout({ reference, attempts: inRow })
          : new DownloadFailed({ reference, attempts: inRow, reason: why.reason })
        return Effect.fail(new Refused({ error }))
      }
      const told = `${why.reason}: attempt ${inRow + 1} of ${attempts_max} ${wait_ms === 0 ? "now" : `in ${wait_ms} ms`}`
      return say("🔁", told).pipe(Effect.zipRight(Effect.sleep(wait_ms)), Effect.zipRight(go(inRow, now)))
    })
  return Effect.suspend(() => go(0, gained()))
}

/** The file as its server gives it. The signed address is asked for once, and again when it has expired. */
const sourceOf = ({ hub, model, commit, file }: Order) => {
  let place: URL | null = null
  const findPlace = Effect.suspend(() =>
    place !== null
      ? Effect.succeed(place)
      : Effect.tap(locate(hub, model, commit, file), (found) => {
          place = found
        })
  )
  const openAt = (range: Range | null) =>
    Effect.gen(function* () {
      const url = yield* findPlace
      const response = yield* open(hub, url, range)
      const { status } = response
      if (status === 200) {
        if (range === null) return response
        return yield* new NoRanges({ reason: "the server gives no ranges" })
      }
      if (status === 206 && range !== null) {
        const { start, end } = range
        if (header(response, "content-range") === `bytes ${start}-${end}/${file.size_bytes}`) return response
        return yield* new NoRanges({ reason: "the server gives other ranges than it is asked for" })
      }
      if (url.origin === hub.endpoint.origin) return yield* refuse(hub, model, response)
      if (status === 403 || status === 404) {
        place = null
        return yield* new Expired({ reason: "the download's address has expired" })
      }
      return yield* patience(model, response)
    })
  return { open: openAt }
}

/** Writes what comes, and what had come when it broke off. */
const keep = (order: Order, partial: PartialFile, piece: number, answer: Answer, onBytes: () => void) =>
  Effect.gen(function* () {
    const next = answer.body.take(biteBytesOf(order.file), order.hub.stall)
    for (;;) {
      const { data, bytes, end } = yield* next
      if (bytes > 0) {
        yield* onDisk(order, partial, () => partial.write(piece, data))
        onBytes()
        yield* order.throttle(bytes)
      }
      if (end === "more") continue
      if (end !== "ended") return yield* end
      return partial.missing(piece) === null ? undefined : yield* broken("the connection ended early")
    }
  })

/** Work on the file itself. A full disk is the user's to mend, anything else the system's. */
export const onDisk = <A>(
  { model }: Pick<Order, "model">,
  { size_bytes, present }: Pick<PartialFile, "size_bytes" | "present">,
  work: () => Promise<A>
): Effect.Effect<A, Refused> =>
  Effect.tryPromise({
    try: work,
    catch: (error) => new Refused({ error: diskProblem(model, size_bytes - present, fileProblem(error)) })
  })

/** What the file system said of a model's file, of which so many bytes are still to come. */
export const diskProblem = (
  model: HubModel,
  missing: number,
  { code, message }: FileProblem
): DiskFull | DownloadFailed => {
  const reference = model.toString()
  return code === "ENOSPC" || code === "EDQUOT"
    ? new DiskFull({ reference, missing_mb: megabytesNeeded(missing) })
    : new DownloadFailed({ reference, attempts: 1, reason: code ?? message })
}
