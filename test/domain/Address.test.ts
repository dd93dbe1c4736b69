import { assert, describe, it } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import { httpUrl, isLoopback, localUrl } from "../../src/domain/Address.js"

describe("addresses", () => {
  for (const host of ["127.0.0.1", "127.255.0.9", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "localhost"]) {
    it(`${host} is heard on its own machine alone`, () => assert.isTrue(isLoopback(host)))
  }

  for (const host of [
    ...["0.0.0.0", "::", "", "10.0.0.1", "128.0.0.1", "192.168.127.1", "::2", "::1:1", "fe80::1", "::ffff:10.0.0.1"],
    ...[
      "127.0.0.256",
      "127.0.0",
      "127.0.0.1.nip.io",
      "x127.0.0.1",
      "localhost.localdomain",
      "mylocalhost",
      "workstation"
    ]
  ]) {
    it(`"${host}" is not`, () => assert.isFalse(isLoopback(host)))
  }

  it("no name but localhost is", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.domain(), (name) => !isLoopback(name)),
      { numRuns: 200 }
    )
  })

  it("URLs", () => {
    assert.strictEqual(httpUrl("workstation.lan", 9200), "http://workstation.lan:9200")
    assert.strictEqual(httpUrl("fd00::5", 9200), "http://[fd00::5]:9200")
  })

  it("from its own machine a daemon that listens everywhere is reached by loopback", () => {
    assert.strictEqual(localUrl("0.0.0.0", 9200), "http://127.0.0.1:9200")
    assert.strictEqual(localUrl("::", 9200), "http://[::1]:9200")
    assert.strictEqual(localUrl("10.1.2.3", 9200), "http://10.1.2.3:9200")
    assert.strictEqual(localUrl("127.0.0.1", 9200), "http://127.0.0.1:9200")
  })

  it("a v4 address is a URL's host as it stands", () => {
    FastCheck.assert(
      FastCheck.property(
        FastCheck.ipV4(),
        FastCheck.integer({ min: 1, max: 65_535 }),
        (host, port) =>
          new URL(httpUrl(host, port)).hostname === host &&
          new URL(httpUrl(host, port)).port === (port === 80 ? "" : `${port}`)
      )
    )
  })

  it("any v6 address makes a URL that can be read", () => {
    FastCheck.assert(FastCheck.property(FastCheck.ipV6(), (host) => new URL(httpUrl(host, 9200)).port === "9200"))
  })
})
