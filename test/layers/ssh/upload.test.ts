/** Uploads through SshLive to a real OpenSSH server. */
import { execFile } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/TestClock"
import { SshTransferFailed } from "../../../src/domain/errors/Ssh.js"
import { NodeName } from "../../../src/domain/Ids.js"
import type { SftpChannel } from "../../../src/layers/ssh/sftp.js"
import { uploadFile } from "../../../src/layers/ssh/upload.js"
import type { TransferProgress } from "../../../src/services/Ssh.js"
import { session as ask, nodeOf, withSession } from "../../support/sshNode.js"
import { soon } from "../../support/tcp.js"
import { tempDir } from "../../support/tempDir.js"

const promised = <A>(attempt: () => Promise<A>) => Effect.promise(attempt)
const run = promisify(execFile)

/** A local file. */
const fileOf = (bytes: Uint8Array) =>
  Effect.flatMap(tempDir, (dir) => {
    const path = Path.join(dir, "source")
    return Effect.as(
      promised(() => Fs.writeFile(path, bytes)),
      path
    )
  })

/** A local file of zeros, too large to arrive at once, that takes no room here. */
const hugeFile = Effect.tap(fileOf(new Uint8Array()), (path) => promised(() => Fs.truncate(path, 4e9)))

/** A folder on the node, and the names in it. */
const folderIn = (dir: string) =>
  Effect.map(
    promised(() => Fs.mkdtemp(Path.join(dir, "node-"))),
    (folder) => ({ folder, names: promised(() => Fs.readdir(folder)) })
  )

const assertFailed = (outcome: Effect.Effect<unknown, SshTransferFailed>, path: string, reason: RegExp) =>
  Effect.map(Effect.flip(outcome), (error) => {
    assert.instanceOf(error, SshTransferFailed)
    assert.deepStrictEqual([error.node, error.path], [NodeName.make("workstation"), path])
    assert.match(error.reason, reason)
  })

describe("upload", () => {
  it.live("brings a file over byte for byte, in the place of an older one, for its owner's eyes", () =>
    withSession((session, { dir }) =>
      Effect.gen(function* () {
        const { folder, names } = yield* folderIn(dir)
        for (const [name, size] of [
          ["empty", 0],
          ["one", 1],
          ["chunk", 32 * 1024],
          ["big", 10e6 + 7],
          ["-n 'été' $(x)\n", 100]
        ] as const) {
          const bytes = randomBytes(size)
          const target = Path.join(folder, name)
          yield* promised(() => Fs.writeFile(target, "older", { mode: 0o644 }))
          yield* session.upload(yield* fileOf(bytes), target)
          assert.isTrue((yield* promised(() => Fs.readFile(target))).equals(bytes), name)
          assert.strictEqual((yield* promised(() => Fs.stat(target))).mode & 0o777, 0o600)
        }
        assert.lengthOf(yield* names, 5)
      }).pipe(soon)
    )
  )

  it.live("knows the home of the user there", () =>
    withSession((session, { dir }) =>
      Effect.gen(function* () {
        yield* session.upload(yield* fileOf(Buffer.from("here")), "~/some file")
        assert.strictEqual(yield* promised(() => Fs.readFile(Path.join(dir, "some file"), "utf8")), "here")
      })
    )
  )

  it.live("tells how far it is, ten times a second at most, and when it is done", () =>
    withSession((session, { dir }) =>
      Effect.gen(function* () {
        const bytes_total = 60e6
        const path = yield* fileOf(randomBytes(bytes_total))
        const told: Array<TransferProgress> = []
        const upload = session.upload(path, Path.join(dir, "there"), (one) => Effect.sync(() => void told.push(one)))
        const [took] = yield* Effect.timed(upload)
        const bytes = told.map((one) => one.bytes)
        assert.isAtLeast(told.length, 2)
        assert.isAtMost(told.length, Duration.toSeconds(took) * 10 + 1)
        assert.deepStrictEqual(
          bytes,
          bytes.toSorted((one, other) => one - other)
        )
        assert.deepStrictEqual(told.at(-1), { bytes: bytes_total, bytes_total })
      })
    )
  )

  it.live("fails in words where it cannot be, and leaves nothing", () =>
    withSession((session, { dir }) =>
      Effect.gen(function* () {
        const { folder, names } = yield* folderIn(dir)
        const source = yield* fileOf(Buffer.from("x"))
        const attempt = (local_path: string, path: string, reason: RegExp) =>
          assertFailed(session.upload(local_path, path), path, reason)
        yield* attempt(`${source}.not`, `${folder}/x`, /source\.not could not be read: ENOENT/)
        yield* attempt(Path.dirname(source), `${folder}/x`, /could not be read: it is no file$/)
        yield* attempt(source, `${folder}/none/x`, /its folder is not there/)
        yield* attempt(source, "/proc/x", /^it could not be created: /)
        yield* promised(() => Fs.mkdir(Path.join(folder, "taken")))
        yield* attempt(source, `${folder}/taken`, /^it could not be renamed: /)
        assert.deepStrictEqual(yield* names, ["taken"])
      }).pipe(soon)
    )
  )

  it.live("says that the node's disk is full, and frees what it took", (test) =>
    withSession((session, { dir }) =>
      Effect.gen(function* () {
        const { folder, names } = yield* folderIn(dir)
        const mounted = yield* Effect.acquireRelease(
          promised(() =>
            run("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]).then(
              () => true,
              () => false
            )
          ),
          (mounted) => (mounted ? promised(() => run("umount", [folder])) : Effect.void)
        )
        if (!mounted) return test.skip("this machine lets us mount nothing")
        const path = Path.join(folder, "x")
        const upload = session.upload(yield* fileOf(randomBytes(3e6)), path)
        yield* assertFailed(upload, path, /^the node's disk is full: \d+ bytes are still to be written, \d+ are free$/)
        assert.deepStrictEqual(yield* names, [])
      }).pipe(soon)
    )
  )

  it.live("interrupted, is gone at once without a trace, and so is its channel", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const { folder, names } = yield* folderIn(sshd.dir)
        const target = Path.join(folder, "there")
        yield* promised(() => Fs.writeFile(target, "older"))
        const source = yield* hugeFile
        for (let nth = 0; nth < 4; nth++) {
          const begun = yield* Deferred.make<void>()
          const upload = yield* Effect.fork(session.upload(source, target, () => Deferred.succeed(begun, undefined)))
          yield* Deferred.await(begun)
          assert.lengthOf(yield* names, 2)
          yield* Fiber.interrupt(upload)
          assert.deepStrictEqual(yield* names, ["there"])
        }
        assert.strictEqual(yield* promised(() => Fs.readFile(target, "utf8")), "older")
        yield* promised(() => sshd.logged(/(Close session: [\s\S]*){4}/))
      }).pipe(soon)
    )
  )

  it.live("cut in the middle, leaves no file under the final name, and the next one is right", () =>
    withSession((session, sshd) =>
      Effect.gen(function* () {
        const { folder, names } = yield* folderIn(sshd.dir)
        const target = Path.join(folder, "there")
        const begun = yield* Deferred.make<void>()
        const source = yield* hugeFile
        const upload = yield* Effect.fork(session.upload(source, target, () => Deferred.succeed(begun, undefined)))
        yield* Deferred.await(begun)
        yield* promised(sshd.dropSessions)
        yield* assertFailed(Fiber.join(upload), target, /^the connection was lost, the file is not whole$/)
        assert.notInclude(yield* names, "there")

        const bytes = randomBytes(1e6)
        const again = yield* ask(nodeOf(sshd))
        yield* again.upload(yield* fileOf(bytes), target)
        assert.isTrue((yield* promised(() => Fs.readFile(target))).equals(bytes))
      }).pipe(soon)
    )
  )

  it.live("30 uploads and 30 commands at once all succeed where the node allows 2", () =>
    withSession(
      (session, { dir }) =>
        Effect.gen(function* () {
          const { folder, names } = yield* folderIn(dir)
          const source = yield* fileOf(randomBytes(1e5))
          const numbers = Array.from({ length: 30 }, (_, nth) => nth)
          yield* Effect.forEach(
            numbers,
            (nth) =>
              Effect.zip(session.upload(source, `${folder}/${nth}`), session.exec(["true"]), { concurrent: true }),
            { concurrency: "unbounded" }
          )
          assert.lengthOf(yield* names, 30)
        }),
      { config: ["MaxSessions 2"] }
    )
  )

  it.live("replaces also where the node knows plain SFTP only", () =>
    withSession(
      (session, { dir }) =>
        Effect.gen(function* () {
          const { folder, names } = yield* folderIn(dir)
          const target = Path.join(folder, "there")
          for (const text of ["first", "second"]) {
            yield* session.upload(yield* fileOf(Buffer.from(text)), target)
            assert.strictEqual(yield* promised(() => Fs.readFile(target, "utf8")), text)
          }
          assert.deepStrictEqual(yield* names, ["there"])
        }),
      { config: ["Subsystem sftp internal-sftp -P posix-rename,fsync,statvfs"] }
    )
  )

  it.live("says that the node offers no SFTP", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          const source = yield* fileOf(Buffer.from("x"))
          yield* assertFailed(session.upload(source, "~/x"), "~/x", /^the node gave no SFTP channel: /)
          assert.strictEqual((yield* session.exec(["true"])).exit_code, 0)
        }).pipe(soon),
      { config: ["Subsystem other internal-sftp"] }
    )
  )

  it.scoped("gives up after 30 s in which the node took nothing, not before", () =>
    Effect.gen(function* () {
      const source = yield* fileOf(randomBytes(100_000))
      const writes: Array<() => void> = []
      const asked = yield* Deferred.make<void>()
      let closed = () => {}
      const removed: Array<string> = []
      const channel = {
        open: (_path, _flags, _mode, done) => done(undefined, Buffer.from("handle")),
        write: (_handle, _bytes, _offset, _length, _position, done) => {
          writes.push(done)
          if (writes.length === 4) Deferred.unsafeDone(asked, Effect.void)
        },
        unlink: (path, done) => {
          removed.push(path)
          done()
        },
        end: () => closed(),
        on: (event, listener) => {
          if (event === "close") closed = listener
        }
      } as Partial<SftpChannel> as SftpChannel // nothing else is asked of it
      const link = { sftp: (opened: (error: undefined, channel: SftpChannel) => void) => opened(undefined, channel) }
      const upload = yield* Effect.fork(uploadFile({ ...link, onClose: () => () => {} }, source, "/x/there"))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("29 seconds")
      writes[0]?.() // one answer in the last moment
      yield* TestClock.adjust("29 seconds")
      assert.isNull(yield* Fiber.poll(upload).pipe(Effect.map((exit) => (exit._tag === "None" ? null : exit))))
      yield* TestClock.adjust("31 seconds")
      const { reason } = yield* Effect.flip(Fiber.join(upload))
      assert.strictEqual(reason, "the node took nothing for 30 s")
      assert.lengthOf(removed, 1)
      assert.match(removed[0] ?? "", /^\/x\/there\.rbee-[0-9a-f]+\.partial$/)
    })
  )
})
