/** Files of a node, by SFTP: one channel, and what is asked through it. */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import { refusal } from "./command.js"

type Done = (error?: Error | null) => void

/** What we use of ssh2's SFTP channel. The extensions throw where the node has them not. */
export interface SftpChannel {
  readonly open: (
    path: string,
    flags: "wx",
    mode: number,
    done: (error: Error | undefined, handle: Buffer) => void
  ) => void
  readonly write: (handle: Buffer, buffer: Buffer, offset: number, length: number, position: number, done: Done) => void
  readonly close: (handle: Buffer, done: Done) => void
  readonly stat: (path: string, done: (error: Error | undefined, stats: { readonly size: number }) => void) => void
  readonly unlink: (path: string, done: Done) => void
  readonly rename: (from: string, to: string, done: Done) => void
  readonly ext_openssh_rename: (from: string, to: string, done: Done) => void
  readonly ext_openssh_fsync: (handle: Buffer, done: Done) => void
  readonly ext_openssh_statvfs: (path: string, done: (error: Error | undefined, figures: Room) => void) => void
  readonly end: () => void
  readonly on: (event: "error" | "close", listener: () => void) => unknown
}

/** A file system's figures: the size of a block in bytes, the blocks and files that we could still write. */
export interface Room {
  readonly f_frsize: number
  readonly f_bavail: number
  readonly f_files: number
  readonly f_favail: number
}

/** A connection as files see it. */
export interface SftpLink {
  /** Opens an SFTP channel. Throws where the connection is gone. */
  readonly sftp: (opened: (error: Error | undefined, channel: SftpChannel) => void) => void
}

/** Why the node did not do what it was asked. */
export interface SftpProblem {
  readonly reason: string
  /** The status code of SFTP, where the node gave one. */
  readonly code: number | undefined
  readonly about: "full" | "suspect" | "ended"
}

/** Status codes of SFTP's version 3. `failure` stands for whatever has no code of its own, a full disk for one. */
export const status = { no_such_file: 2, failure: 4, unsupported: 8 } as const

/** What may be asked. */
export interface Sftp {
  /** Creates a file with mode 0600; fails where there is one. */
  readonly create: (path: string) => Effect.Effect<Buffer, SftpProblem>
  readonly write: (handle: Buffer, bytes: Buffer, position: number) => Effect.Effect<void, SftpProblem>
  /** Brings a file to the disk, where the node can promise that. */
  readonly sync: (handle: Buffer) => Effect.Effect<void, SftpProblem>
  readonly close: (handle: Buffer) => Effect.Effect<void, SftpProblem>
  readonly size: (path: string) => Effect.Effect<number, SftpProblem>
  readonly remove: (path: string) => Effect.Effect<void, SftpProblem>
  /** Renames a file, over whatever has the new name. */
  readonly replace: (from: string, to: string) => Effect.Effect<void, SftpProblem>
  readonly room: (path: string) => Effect.Effect<Room, SftpProblem>
}

/**
 * Does something in a finalizer, for so long at most. In a fiber that is nobody's child: a fiber that is interrupted twice, as
 * the loser of a race is, passes the second interruption on to its children, those of its finalizers too.
 */
export const tidyUp = <A, E>(work: Effect.Effect<A, E>, limit: Duration.Duration): Effect.Effect<void> =>
  work.pipe(
    Effect.interruptible,
    Effect.timeoutOption(limit),
    Effect.forkDaemon,
    Effect.flatMap(Fiber.await),
    Effect.asVoid,
    Effect.uninterruptible
  )

/** How long the node may take to close a channel that we closed. */
const closing = Duration.seconds(1)

/**
 * Opens a channel until the scope ends, which waits a moment for the node to close it, since the node counts it until then.
 * `onAnswer` is called at every answer of the node.
 */
export const openSftp = (link: SftpLink, onAnswer: () => void): Effect.Effect<Sftp, SftpProblem, Scope.Scope> =>
  Effect.suspend(() => {
    const closed = Deferred.unsafeMake<void>(FiberId.none)
    let channel: SftpChannel | undefined
    let abandoned = false
    const end = Effect.suspend(() => {
      abandoned = true
      channel?.end()
      return channel === undefined ? Effect.void : Deferred.await(closed)
    })
    const opening = Effect.async<Sftp, SftpProblem>((resume) => {
      const fail = (reason: string, about: SftpProblem["about"]) =>
        resume(Effect.fail({ reason, code: undefined, about }))
      try {
        link.sftp((error, opened) => {
          onAnswer()
          if (error !== undefined) return fail(`the node gave no SFTP channel: ${error.message}`, refusal(error))
          channel = opened
          opened.on("error", () => {}) // what was asked fails, too
          opened.on("close", () => Deferred.unsafeDone(closed, Effect.void))
          if (abandoned) opened.end()
          else resume(Effect.succeed(through(opened, onAnswer)))
        })
      } catch {
        fail("the connection was lost before anything was sent", "ended")
      }
    })
    return Effect.zipRight(
      Effect.addFinalizer(() => tidyUp(end, closing)),
      opening
    )
  })

const through = (channel: SftpChannel, onAnswer: () => void): Sftp => {
  const ask = <A = void>(question: (done: (error?: Error | null, answer?: A) => void) => void) =>
    Effect.async<A, SftpProblem>((resume) => {
      try {
        question((error, answer) => {
          onAnswer()
          // Without an error there is an answer wherever there is one to give.
          resume(error ? Effect.fail(problemOf(error)) : Effect.succeed(answer as A))
        })
      } catch (error) {
        resume(Effect.fail({ reason: String(error), code: status.unsupported, about: "ended" }))
      }
    })
  const lacking = ({ code }: SftpProblem) => code === status.unsupported
  const remove: Sftp["remove"] = (path) => ask((done) => channel.unlink(path, done))
  const rename = (from: string, to: string) => ask((done) => channel.rename(from, to, done))

  return {
    create: (path) => ask((done) => channel.open(path, "wx", 0o600, done)),
    write: (handle, bytes, position) => ask((done) => channel.write(handle, bytes, 0, bytes.length, position, done)),
    sync: (handle) =>
      Effect.catchIf(
        ask((done) => channel.ext_openssh_fsync(handle, done)),
        lacking,
        () => Effect.void
      ),
    close: (handle) => ask((done) => channel.close(handle, done)),
    size: (path) =>
      Effect.map(
        ask<{ readonly size: number }>((done) => channel.stat(path, done)),
        ({ size }) => size
      ),
    remove,
    // SFTP's own rename may refuse to replace: then the old file goes first.
    replace: (from, to) =>
      Effect.catchIf(
        ask((done) => channel.ext_openssh_rename(from, to, done)),
        lacking,
        () => Effect.catchAll(rename(from, to), () => Effect.zipRight(Effect.option(remove(to)), rename(from, to)))
      ),
    room: (path) => ask((done) => channel.ext_openssh_statvfs(path, done))
  }
}

const problemOf = (error: Error): SftpProblem => ({
  reason: error.message,
  code: "code" in error && typeof error.code === "number" ? error.code : undefined,
  about: "ended"
})
