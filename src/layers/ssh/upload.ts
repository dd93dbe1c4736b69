/** A file on its way to a node: under a temporary name beside its final one, renamed when it is whole. */

import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { messageOf } from "../../domain/Thrown.js"
import type { TransferProgress } from "../../services/Ssh.js"
import type { CommandLink, CommandProblem } from "./command.js"
import { openSftp, type Sftp, type SftpLink, type SftpProblem, status, tidyUp } from "./sftp.js"

/** A connection as an upload sees it. */
export interface UploadLink extends SftpLink, Pick<CommandLink, "onClose"> {}

/** Gets told how far an upload is: ten times a second at most, and when the file is there. */
export type OnProgress = (progress: TransferProgress) => Effect.Effect<void>

/** What is sent at once: the most that every server takes. */
const chunk_bytes = 32 * 1024

/**
 * How many chunks are under way at once: enough for 10 MB/s over 100 ms. With more, the connection's keepalive and the
 * removal of the partial file would have to wait long behind them on a slow link.
 */
const chunks_at_once = 32

/** No answer for that long, and the upload fails. Syncing may take longer: a slow disk may have much to write. */
const stall = Duration.seconds(30)
const stall_syncing = Duration.minutes(5)

const progress_interval = Duration.millis(100)

/** How long the removal of a partial file may take, on a link that lives and on one that stalls. */
const removal = Duration.seconds(5)
const removal_stalled = Duration.seconds(1)

/** Uploads a file, as `SshSession.upload` says. Interruption is a failure, too: the partial file is removed. */
export const uploadFile = (
  link: UploadLink,
  local_path: string,
  path: string,
  onProgress: OnProgress = () => Effect.void
): Effect.Effect<void, CommandProblem> =>
  Effect.gen(function* () {
    const lost = yield* losing(link)
    const parcel = yield* openLocal(local_path)
    const course: Course = { bytes: 0, answers: 0, patience: stall, stalled: false }
    const report = Effect.suspend(() => onProgress({ bytes: course.bytes, bytes_total: parcel.bytes_total }))
    const watching = Effect.all([Deferred.await(lost), stalling(course), reporting(course, report)], {
      concurrency: "unbounded",
      discard: true
    })
    // Interruptible by themselves: in an uninterruptible caller the one that loses would never end.
    yield* Effect.raceFirst(
      Effect.interruptible(Effect.scoped(send(link, parcel, onNode(path), course, lost))),
      Effect.interruptible(watching)
    )
    yield* report
  }).pipe(Effect.scoped)

/** How far an upload is. */
interface Course {
  bytes: number
  /** How often the node answered. */
  answers: number
  /** How long it may be silent. */
  patience: Duration.Duration
  stalled: boolean
}

interface Parcel {
  readonly file: Fs.FileHandle
  readonly local_path: string
  readonly bytes_total: number
}

type Lost = Deferred.Deferred<never, CommandProblem>

const failed = (reason: string): CommandProblem => ({ reason, about: "ended" })

/** SFTP knows no `~`; its relative paths start in the user's home. */
const onNode = (path: string) => (path.startsWith("~/") ? `./${path.slice(2)}` : path)

/** Fails when the link is lost: what was asked of the node then may never be answered. */
const losing = (link: UploadLink) =>
  Effect.gen(function* () {
    const lost: Lost = yield* Deferred.make<never, CommandProblem>()
    yield* Effect.acquireRelease(
      Effect.sync(() =>
        link.onClose(() =>
          Deferred.unsafeDone(lost, Exit.fail(failed("the connection was lost, the file is not whole")))
        )
      ),
      (unlisten) => Effect.sync(unlisten)
    )
    return lost
  })

const openLocal = (local_path: string) => {
  const unreadable = (error: unknown) => failed(`${local_path} could not be read: ${messageOf(error)}`)
  return Effect.gen(function* () {
    const file = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => Fs.open(local_path, "r"), catch: unreadable }),
      (opened) => Effect.promise(() => opened.close())
    )
    const stats = yield* Effect.tryPromise({ try: () => file.stat(), catch: unreadable })
    if (!stats.isFile()) return yield* Effect.fail(failed(`${local_path} could not be read: it is no file`))
    return { file, local_path, bytes_total: stats.size } satisfies Parcel
  })
}

/** Fails when the node has not answered for too long. */
const stalling = (course: Course): Effect.Effect<never, CommandProblem> =>
  Effect.gen(function* () {
    const { answers, patience } = course
    yield* Effect.sleep(patience)
    if (course.answers > answers || course.patience !== patience) return
    course.stalled = true
    return yield* Effect.fail<CommandProblem>({
      reason: `the node took nothing for ${Duration.toSeconds(patience)} s`,
      about: "suspect"
    })
  }).pipe(Effect.forever)

const reporting = (course: Course, report: Effect.Effect<void>): Effect.Effect<never> => {
  let told = 0
  return Effect.suspend(() => {
    if (course.bytes === told) return Effect.void
    told = course.bytes
    return report
  }).pipe(Effect.delay(progress_interval), Effect.forever)
}

/** The transfer itself. The scope is the channel's. */
const send = Effect.fnUntraced(function* (
  link: UploadLink,
  parcel: Parcel,
  target: string,
  course: Course,
  lost: Lost
) {
  const sftp = yield* openSftp(link, () => course.answers++)
  const partial = `${target}.rbee-${randomBytes(6).toString("hex")}.partial`
  const tell = inWords(sftp, partial, parcel.bytes_total, course)

  // Registered before the file is there: the answer to its creation may be the one that does not come.
  yield* Effect.addFinalizer((exit) =>
    Effect.gen(function* () {
      if (Exit.isSuccess(exit) || (yield* Deferred.isDone(lost))) return
      yield* tidyUp(sftp.remove(partial), course.stalled ? removal_stalled : removal)
    })
  )
  const handle = yield* Effect.mapError(sftp.create(partial), (problem) =>
    problem.code === status.no_such_file ? { ...problem, reason: "its folder is not there" } : problem
  ).pipe(tell("it could not be created"))
  yield* writeAll(sftp, handle, parcel, course).pipe(tell("it could not be written"))
  course.patience = stall_syncing
  yield* sftp.sync(handle).pipe(tell("it could not be synced"))
  course.patience = stall
  yield* sftp.close(handle).pipe(tell("it could not be closed"))
  const arrived = yield* sftp.size(partial).pipe(tell("its size could not be read"))
  if (arrived !== parcel.bytes_total) {
    return yield* Effect.fail(failed(`${arrived} of ${parcel.bytes_total} bytes are there`))
  }
  yield* sftp.replace(partial, target).pipe(tell("it could not be renamed"))
})

/** Several hands take the next chunk each, so that the way there and back is paid for once, not for every chunk. */
const writeAll = (sftp: Sftp, handle: Buffer, { file, local_path, bytes_total }: Parcel, course: Course) => {
  let next = 0
  const hand = Effect.gen(function* () {
    const chunk = Buffer.allocUnsafe(chunk_bytes)
    while (next < bytes_total) {
      const position = next
      next += chunk_bytes
      const length = Math.min(chunk_bytes, bytes_total - position)
      const { bytesRead } = yield* Effect.tryPromise({
        try: () => file.read(chunk, 0, length, position),
        catch: (error) => failed(`${local_path} could not be read: ${String(error)}`)
      })
      if (bytesRead < length) return yield* Effect.fail(failed(`${local_path} became shorter while it was read`))
      yield* sftp.write(handle, chunk.subarray(0, length), position)
      course.bytes += length
    }
  })
  const hands = Math.min(chunks_at_once, Math.ceil(bytes_total / chunk_bytes))
  return Effect.all(
    Array.from({ length: hands }, () => hand),
    { concurrency: "unbounded", discard: true }
  )
}

/** SFTP has no word for a full disk, and calls it a failure: so the node's disk is looked at. */
const inWords = (sftp: Sftp, partial: string, bytes_total: number, course: Course) => {
  const lacking = (missing: number) =>
    Effect.map(sftp.room(partial), ({ f_bavail, f_favail, f_files, f_frsize }) => {
      const free = f_bavail * f_frsize
      if (free < missing) return `the node's disk is full: ${missing} bytes are still to be written, ${free} are free`
      return f_files > 0 && f_favail === 0 ? "the node's disk is full: it can hold no further file" : undefined
    }).pipe(Effect.orElseSucceed(() => undefined))

  return (what: string) =>
    <A>(asked: Effect.Effect<A, SftpProblem | CommandProblem>): Effect.Effect<A, CommandProblem> =>
      Effect.catchAll(asked, (problem) =>
        Effect.gen(function* () {
          if (!("code" in problem)) return yield* Effect.fail(problem)
          const full = problem.code === status.failure ? yield* lacking(bytes_total - course.bytes) : undefined
          return yield* Effect.fail({ reason: full ?? `${what}: ${problem.reason}`, about: problem.about })
        })
      )
}
