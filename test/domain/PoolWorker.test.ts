import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { matches, registeredAt, toldByHive, WorkerRegistration } from "../../src/domain/PoolWorker.js"
import { registration, workerInfo, workstation } from "../support/samples.js"

const decode = Schema.decodeUnknownEither(WorkerRegistration)
const given = {
  ...{ worker_id: "w-1", rbee_hive_url: "http://192.168.1.20:9200" },
  ...{ capabilities: ["cuda:0", "cpu"], models_loaded: ["hf:org/repo"] }
}

describe("WorkerRegistration", () => {
  it("is idle and without an address of its own, unless it says otherwise", () => {
    assert.deepInclude(Either.getOrThrow(decode(given)), { state: "idle", url: null })
    assert.deepInclude(Either.getOrThrow(decode({ ...given, url: "http://[::1]:8001", state: "loading" })), {
      ...{ state: "loading", url: "http://[::1]:8001" }
    })
  })

  for (const [what, change] of Object.entries({
    "an id with a path in it": { worker_id: "../w" },
    "an address that is none": { rbee_hive_url: "http://[::1" },
    "another protocol": { rbee_hive_url: "file:///etc/passwd" },
    "a control character": { models_loaded: ["a\u001b[31m"] },
    "two lines": { models_loaded: ["a\nb"] },
    "a device that is none": { capabilities: ["cuda:x"] },
    "a state that is none": { state: "asleep" }
  })) {
    it(`is refused with ${what}`, () => {
      assert.isTrue(Either.isLeft(decode({ ...given, ...change })))
    })
  }
})

describe("matches", () => {
  const ours = toldByHive(workerInfo({ backend: "cuda", device: 1, state: "busy" }))
  const another = registeredAt(0, null, registration())

  it("a device, or any of its backend", () => {
    for (const capability of ["cuda", "cuda:1"]) assert.isTrue(matches({ capability })(ours))
    for (const capability of ["cuda:0", "cuda:11", "cpu"]) assert.isFalse(matches({ capability })(ours))
  })

  it("a model, a state, a node; all that is asked for, and all where nothing is", () => {
    assert.isTrue(matches({})(another))
    assert.isTrue(matches({ model: "demo", state: "busy", node: workstation })(ours))
    assert.isFalse(matches({ model: "demo", state: "idle" })(ours))
    assert.isFalse(matches({ node: workstation })(another))
    assert.isTrue(matches({ model: "hf:org/repo" })(another))
  })
})
