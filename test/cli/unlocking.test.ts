/** Passphrases are asked for once a locked key stands in the way, and the work goes on. */
import { assert, describe, it } from "@effect/vitest"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { type Ask, unlocking } from "../../src/cli/unlocking.js"
import { SshKeyLocked } from "../../src/domain/errors/Ssh.js"
import { QueenClient } from "../../src/services/QueenClient.js"
import { QueenClientTest, type QueenClientTestOptions } from "../../src/testing/QueenClientTest.js"
import { failsWith } from "../support/assertFails.js"
import { node, ref, task, workstation } from "../support/samples.js"

const queen = { url: "http://127.0.0.1:8080", token: Option.none() }
const locked = { "/keys/a": "sesame" }

/** A user who types these, one after another, and then gives up. */
const user = (...answers: ReadonlyArray<string>) => {
  const questions: Array<string> = []
  const ask: Ask = Option.some((question) =>
    Effect.sync(() => {
      questions.push(question)
      return Option.map(Arr.get(answers, questions.length - 1), (answer) => Redacted.make(answer))
    })
  )
  return { ask, questions }
}

const using = <A, E>(
  { ask, locked_keys = locked }: { readonly ask: Ask } & Pick<QueenClientTestOptions, "locked_keys">,
  test: (client: QueenClient["Type"]) => Effect.Effect<A, E, QueenClientTest>
) =>
  Effect.flatMap(QueenClient, test).pipe(
    Effect.provide(unlocking(ask).pipe(Layer.provideMerge(QueenClientTest.layer({ nodes: [node()], locked_keys }))))
  )

const preflight = (client: QueenClient["Type"]) => Stream.runLast(client.preflight(queen, workstation))

describe("unlocking", () => {
  it.effect("asks, tells the queen, and repeats the call", () => {
    const { ask, questions } = user("sesame")
    return using({ ask }, (client) =>
      Effect.gen(function* () {
        assert.isTrue(Option.isSome(yield* preflight(client)))
        assert.deepStrictEqual(questions, ["Passphrase of /keys/a: "])
        assert.isTrue(Option.isSome(yield* preflight(client)))
        assert.lengthOf(questions, 1)
      })
    )
  })

  const calls: Readonly<Record<string, (client: QueenClient["Type"]) => Stream.Stream<unknown, unknown>>> = {
    submit: (client) => client.submit(queen, task(), Option.none()),
    updateNode: (client) => client.updateNode(queen, workstation, {}),
    install: (client) => client.install(queen, workstation, "local"),
    "removeNode --purge": (client) => client.removeNode(queen, workstation, true),
    plan: (client) => client.plan(queen, task()),
    models: (client) => client.models(queen, workstation, null),
    modelInfo: (client) => client.modelInfo(queen, workstation, ref("demo")),
    removeModel: (client) => client.removeModel(queen, workstation, ref("demo")),
    download: (client) => client.download(queen, workstation, ref("demo"))
  }
  for (const [name, call] of Object.entries(calls)) {
    it.effect(`so does ${name}`, () => {
      const { ask, questions } = user("sesame")
      return using({ ask }, (client) =>
        Effect.gen(function* () {
          yield* Stream.runDrain(call(client))
          assert.lengthOf(questions, 1)
        })
      )
    })
  }

  it.effect("a wrong passphrase is said to be wrong, and asked for again", () => {
    const { ask, questions } = user("simsalabim", "sesame")
    return using({ ask }, (client) =>
      Effect.gen(function* () {
        yield* preflight(client)
        assert.deepStrictEqual(questions, [
          "Passphrase of /keys/a: ",
          "That is not the passphrase of the SSH key /keys/a\nPassphrase of /keys/a: "
        ])
      })
    )
  })

  it.effect("three wrong ones are enough", () => {
    const { ask, questions } = user("a", "b", "c", "sesame")
    return using({ ask }, (client) =>
      Effect.gen(function* () {
        yield* failsWith(preflight(client), new SshKeyLocked({ path: "/keys/a", wrong_passphrase: true }))
        assert.lengthOf(questions, 3)
      })
    )
  })

  it.effect("who gives up gets the first error", () =>
    using({ ask: user().ask }, (client) =>
      failsWith(preflight(client), new SshKeyLocked({ path: "/keys/a", wrong_passphrase: false }))
    )
  )

  it.effect("a second key behind the first is asked for as well", () => {
    const { ask, questions } = user("sesame", "open")
    return using({ ask, locked_keys: { ...locked, "/keys/b": "open" } }, (client) =>
      Effect.gen(function* () {
        yield* preflight(client)
        assert.deepStrictEqual(questions, ["Passphrase of /keys/a: ", "Passphrase of /keys/b: "])
      })
    )
  })

  it.effect("without a terminal nobody is asked", () =>
    using({ ask: Option.none() }, (client) =>
      failsWith(preflight(client), new SshKeyLocked({ path: "/keys/a", wrong_passphrase: false }))
    )
  )

  it.effect("the passphrase is in no journal", () =>
    using({ ask: user("sesame").ask }, (client) =>
      Effect.gen(function* () {
        yield* preflight(client)
        const journal = yield* (yield* QueenClientTest).journal
        assert.deepInclude(journal, { _tag: "unlocked", url: queen.url, key_path: "/keys/a" })
        assert.notInclude(JSON.stringify(journal), "sesame")
      })
    )
  )
})
