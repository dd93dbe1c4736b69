import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { HiveUnreachable, InvalidHiveResponse, NodeNotFound } from "../../src/domain/errors/Hive.js"
import type { RbeeError } from "../../src/domain/errors/index.js"
import { ModelInUse, ModelNotFound } from "../../src/domain/errors/Model.js"
import { InsufficientDisk } from "../../src/domain/errors/Resource.js"
import { SshHostUnknown } from "../../src/domain/errors/Ssh.js"
import { DownloadProgress, Narration } from "../../src/domain/Narration.js"
import { downloadTo, modelInfoOn, modelsOn, removeModelOn } from "../../src/programs/nodeModels.js"
import { HiveClient } from "../../src/services/HiveClient.js"
import { HivesTest } from "../../src/testing/HivesTest.js"
import { NarratorTest } from "../../src/testing/NarratorTest.js"
import type { TestServices } from "../../src/testing/TestRbee.js"
import { testEntry, testInfo } from "../../src/testing/testModels.js"
import { failsWith } from "../support/assertFails.js"
import { inWorld, lines } from "../support/inWorld.js"
import { node, ref, workstation } from "../support/samples.js"

const model = ref("hf:org/repo")
const nodes = [node()]
/** What phase 0 tells of the node. */
const found = "Node workstation is bee@workstation.lan:22"
const linesAfter = Effect.map(lines, (all) => all.filter((line) => line !== found))

/** The four programs, whatever they come to. */
const programs: Readonly<Record<string, Effect.Effect<unknown, RbeeError, TestServices>>> = {
  modelsOn: modelsOn(workstation, null),
  modelInfoOn: modelInfoOn(workstation, model),
  removeModelOn: removeModelOn(workstation, model),
  downloadTo: downloadTo(workstation, model)
}

/** The hive's client, with some of its calls answered otherwise. */
const answering = (calls: Partial<HiveClient["Type"]>) => (program: Effect.Effect<unknown, RbeeError, TestServices>) =>
  Effect.flatMap(HiveClient, (client) =>
    Effect.provideService(program, HiveClient, HiveClient.of({ ...client, ...calls }))
  )

describe("a node's models, through its hive", () => {
  it.effect("fetched, listed, and removed again", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* modelsOn(workstation, null), [])
      assert.deepStrictEqual(yield* downloadTo(workstation, model), testEntry(model))
      assert.deepStrictEqual(yield* modelsOn(workstation, null), [testEntry(model)])
      yield* removeModelOn(workstation, model)
      assert.deepStrictEqual(yield* modelsOn(workstation, null), [])
      assert.deepStrictEqual(yield* linesAfter, [
        "Downloading hf:org/repo",
        "Model hf:org/repo is removed from workstation"
      ])
      const connected = (yield* (yield* HivesTest).journal).map(({ _tag, node }) => `${_tag} ${node}`)
      assert.deepStrictEqual([...new Set(connected)], ["connected workstation"])
    }).pipe(inWorld({ nodes }))
  )

  it.effect("only those of one provider, where one is named (CAT-4)", () =>
    Effect.gen(function* () {
      yield* downloadTo(workstation, model)
      yield* downloadTo(workstation, ref("demo"))
      for (const [provider, expected] of [
        ["hf", ["hf:org/repo"]],
        ["demo", ["demo"]],
        ["file", []]
      ] as const) {
        const there = yield* modelsOn(workstation, provider)
        assert.deepStrictEqual(
          there.map(({ reference }) => reference),
          [...expected]
        )
      }
    }).pipe(inWorld({ nodes }))
  )

  it.effect("what is known of one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* modelInfoOn(workstation, model), testInfo(model))
    }).pipe(inWorld({ nodes }))
  )

  for (const [name, program] of Object.entries(programs)) {
    it.effect(`${name}: a node that is not known is not looked for`, () =>
      Effect.gen(function* () {
        yield* failsWith(program, new NodeNotFound({ node: workstation }))
        assert.deepStrictEqual(yield* (yield* HivesTest).journal, [])
      }).pipe(inWorld())
    )

    const unknown = new SshHostUnknown({ host: "workstation.lan" })
    it.effect(`${name}: a node that cannot be reached`, () =>
      failsWith(program, unknown).pipe(inWorld({ nodes, hives: { fault: unknown } }))
    )

    const silent = new HiveUnreachable({ node: workstation, attempts: 1, reason: "no sign of life" })
    it.effect(`${name}: a hive that does not answer`, () =>
      failsWith(program, silent).pipe(inWorld({ nodes, hive: { fault: silent } }))
    )
  }

  it.effect("what the hive refuses comes through, and is not said to be done", () => {
    const inUse = new ModelInUse({ reference: "hf:org/repo", workers: ["w-1"] })
    return Effect.gen(function* () {
      yield* failsWith(answering({ removeModel: () => inUse })(removeModelOn(workstation, model)), inUse)
      yield* failsWith(
        removeModelOn(workstation, model),
        new ModelNotFound({ reference: "hf:org/repo", missing: "entry", near: [] })
      )
      assert.deepStrictEqual(yield* linesAfter, [])
    }).pipe(inWorld({ nodes }))
  })
})

describe("downloadTo", () => {
  const told = Narration.make({ actor: "rbee-hive", emoji: "⬇️", human: "Downloading m.gguf (4.0 MB)" })
  const progress = DownloadProgress.make({
    ...{ stage: "downloading", bytes_downloaded: 1e6, bytes_total: 4e6, speed_mbps: 10 }
  })
  const entry = testEntry(model)

  it.effect("hands the hive's reports on as they were made (MOD-1)", () =>
    Effect.gen(function* () {
      const download = () => Stream.make(told, progress, entry)
      assert.deepStrictEqual(yield* answering({ download })(downloadTo(workstation, model)), entry)
      assert.deepStrictEqual((yield* (yield* NarratorTest).reports).slice(1), [told, progress])
    }).pipe(inWorld({ nodes }))
  )

  it.effect("a failure comes through, after them", () => {
    const short = new InsufficientDisk({
      ...{ reference: "hf:org/repo", required_mb: 5, available_mb: 4, free_inodes: null }
    })
    return Effect.gen(function* () {
      const download = () => Stream.concat(Stream.make(told), Stream.fail(short))
      yield* failsWith(answering({ download })(downloadTo(workstation, model)), short)
      assert.deepStrictEqual((yield* (yield* NarratorTest).reports).slice(1), [told])
    }).pipe(inWorld({ nodes }))
  })

  for (const [what, events] of [
    ["without anything", []],
    ["without a model", [told, progress]]
  ] as const) {
    it.effect(`a download that ends ${what} is no answer of a hive`, () =>
      failsWith(
        answering({ download: () => Stream.fromIterable(events) })(downloadTo(workstation, model)),
        new InvalidHiveResponse({ node: workstation, reason: "the download ended without a model" })
      ).pipe(inWorld({ nodes }))
    )
  }
})
