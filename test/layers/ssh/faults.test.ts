/** What SshLive must survive, between hosts whose cable is cut: the two ends are told nothing. */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { SshCommandFailed, SshTransferFailed } from "../../../src/domain/errors/Ssh.js"
import { canHaveHosts, type TestHost, testHost } from "../../support/netns.js"
import { session as ask, nodeOf, withSession } from "../../support/sshNode.js"

const promised = <A>(attempt: () => Promise<A>) => Effect.promise(attempt)

/** Within the spec's time after a cut. */
const settled = <A, E>(outcome: Effect.Effect<A, E>) =>
  Effect.map(Effect.timed(outcome), ([took, result]) => {
    assert.isBelow(Duration.toSeconds(took), 35)
    return result
  })

const cutThenMend = (host: TestHost) =>
  withSession(
    (session, sshd) =>
      Effect.gen(function* () {
        const folder = yield* promised(() => Fs.mkdtemp(Path.join(sshd.dir, "node-")))
        const target = Path.join(folder, "there")
        const source = Path.join(sshd.dir, "source")
        yield* promised(() => Fs.writeFile(source, ""))
        yield* promised(() => Fs.truncate(source, 4e9)) // too large to arrive at once

        // Both are known to be under way.
        const begun = yield* Deferred.make<void>()
        const half = yield* Deferred.make<void>()
        const command = yield* session
          .exec(["sh", "-c", "echo begun; sleep 300"], {
            within: Duration.minutes(5),
            onLine: () => Deferred.succeed(begun, undefined)
          })
          .pipe(Effect.flip, Effect.fork)
        const upload = yield* session
          .upload(source, target, () => Deferred.succeed(half, undefined))
          .pipe(Effect.flip, Effect.fork)
        yield* Deferred.await(begun)
        yield* Deferred.await(half)

        host.cut()
        const [failed, broken] = yield* settled(
          Effect.zip(Fiber.join(command), Fiber.join(upload), { concurrent: true })
        )
        assert.instanceOf(failed, SshCommandFailed)
        assert.deepStrictEqual(
          [failed.exit_code, failed.reason],
          [null, "the connection was lost, the outcome is unknown"]
        )
        assert.instanceOf(broken, SshTransferFailed)
        assert.match(broken.reason, /^the connection was lost, the file is not whole$|^the node took nothing for 30 s$/)
        assert.notInclude(yield* promised(() => Fs.readdir(folder)), "there")

        host.heal()
        const bytes = randomBytes(1e6)
        yield* promised(() => Fs.writeFile(source, bytes))
        const again = yield* ask(nodeOf(sshd))
        assert.strictEqual((yield* again.exec(["echo", "back"])).stdout, "back\n")
        yield* again.upload(source, target)
        assert.isTrue((yield* promised(() => Fs.readFile(target))).equals(bytes))
      }),
    { on: host }
  )

describe.skipIf(!canHaveHosts())("a silent cut", () => {
  it.live(
    "during a command and an upload: both fail within 35 s, the outcome unknown, and the next ones succeed",
    () => Effect.scoped(Effect.flatMap(testHost, cutThenMend)),
    60_000
  )
})
