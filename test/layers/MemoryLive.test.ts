import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { MemoryLive, memoryFrom } from "../../src/layers/MemoryLive.js"
import { Memory } from "../../src/services/Memory.js"
import { tempDir } from "../support/tempDir.js"

const mb = 1024 ** 2
const ram = Effect.flatMap(Memory, (memory) => memory.ram)
const oomKills = Effect.flatMap(Memory, (memory) => memory.oom_kills)

/** A machine of 16000 MB, of which 12000 can be had, with 2000 MB of swap. */
const meminfo = [
  `MemTotal:       ${16_000 * 1024} kB`,
  `MemFree:         ${1000 * 1024} kB`,
  `MemAvailable:   ${12_000 * 1024} kB`,
  `SwapTotal:       ${2000 * 1024} kB`,
  `SwapFree:        ${1500 * 1024} kB`,
  ""
].join("\n")

type Tree = Readonly<Record<string, string | number>>

/** Runs a test on the machine whose files these are. */
const on =
  (tree: Tree) =>
  <A, E>(test: Effect.Effect<A, E, Memory>) =>
    Effect.gen(function* () {
      const root = yield* tempDir
      for (const [path, content] of Object.entries({ "proc/meminfo": meminfo, ...tree })) {
        const file = Path.join(root, path)
        Fs.mkdirSync(Path.dirname(file), { recursive: true })
        Fs.writeFileSync(file, typeof content === "number" ? `${content}\n` : content)
      }
      return yield* Effect.provide(test, memoryFrom(root))
    }).pipe(Effect.scoped)

const has = (tree: Tree, total_mb: number, available_mb: number) =>
  Effect.map(ram, ({ ram_total_mb, ram_available_mb }) =>
    assert.deepStrictEqual([ram_total_mb, ram_available_mb], [total_mb, available_mb])
  ).pipe(on(tree))

/** One cgroup of the second version: its limit, what is in use, and what of that can be dropped. */
const v2 = (path: string, max: string | number, current: number, inactive_file = 0): Tree => ({
  [`sys/fs/cgroup${path}/memory.max`]: max === "max" ? "max\n" : max,
  [`sys/fs/cgroup${path}/memory.current`]: current,
  [`sys/fs/cgroup${path}/memory.stat`]: `anon 1\nactive_file 77\ninactive_file ${inactive_file}\n`
})

/** And one of the first. Its `inactive_file` leaves out those within it; the total does not. */
const v1 = (path: string, limit: number | string, usage: number, inactive_file = 0): Tree => ({
  [`sys/fs/cgroup/memory${path}/memory.limit_in_bytes`]: limit,
  [`sys/fs/cgroup/memory${path}/memory.usage_in_bytes`]: usage,
  [`sys/fs/cgroup/memory${path}/memory.stat`]: `inactive_file 1\ntotal_cache 5\ntotal_inactive_file ${inactive_file}\n`
})

const inV2 = (path: string): Tree => ({ "proc/self/cgroup": `0::${path}\n` })
const inV1 = (path: string): Tree => ({
  "proc/self/cgroup": `12:cpu,cpuacct:/elsewhere\n4:hugetlb,memory:${path}\n1:name=systemd:/elsewhere\n`
})

describe("MemoryLive: RAM", () => {
  it.live("without cgroups it is what the kernel says, swap too", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ram, {
        ...{ ram_total_mb: 16_000, ram_available_mb: 12_000 },
        ...{ swap_total_mb: 2000, swap_free_mb: 1500 }
      })
      assert.strictEqual(yield* oomKills, 0)
    }).pipe(on({}))
  )

  it.live("v2: the limit less the working set, of which inactive file pages are no part", () =>
    has({ ...inV2("/"), ...v2("", 8000 * mb, 5000 * mb, 1000 * mb) }, 8000, 4000)
  )

  it.live("v2: the process's own cgroup, nested, not only the root", () =>
    has({ ...inV2("/user.slice/hive.service"), ...v2("/user.slice/hive.service", 6000 * mb, 500 * mb) }, 6000, 5500)
  )

  it.live("v2: any of those that it is in may be the tightest", () =>
    Effect.gen(function* () {
      const own = v2("/a/b/c", "max", 100 * mb)
      yield* has(
        { ...inV2("/a/b/c"), ...own, ...v2("/a/b", 9000 * mb, 8000 * mb), ...v2("/a", 10_000 * mb, 0) },
        9000,
        1000
      )
      yield* has(
        { ...inV2("/a/b/c"), ...own, ...v2("/a/b", 9000 * mb, 0), ...v2("/a", 10_000 * mb, 9500 * mb) },
        9000,
        500
      )
    })
  )

  it.live("v2: those beside it do not count", () =>
    has({ ...inV2("/a/b"), ...v2("/a/c", 100 * mb, 0), ...v2("/b", 100 * mb, 0) }, 16_000, 12_000)
  )

  it.live("v2: what is available on the machine is available here, whatever the limit leaves", () =>
    has({ ...inV2("/a"), ...v2("/a", 15_000 * mb, 0) }, 15_000, 12_000)
  )

  it.live("v2: more in use than the limit, or less than can be dropped", () =>
    Effect.gen(function* () {
      yield* has({ ...inV2("/a"), ...v2("/a", 1000 * mb, 1200 * mb) }, 1000, 0)
      yield* has({ ...inV2("/a"), ...v2("/a", 1000 * mb, 200 * mb, 300 * mb) }, 1000, 1000)
    })
  )

  it.live("v2 beside v1, each at its own mount", () =>
    has(
      {
        "proc/self/cgroup": "4:memory:/x\n0::/y\n",
        ...v1("/x", 7000 * mb, 0),
        "sys/fs/cgroup/unified/y/memory.max": 6000 * mb,
        "sys/fs/cgroup/unified/y/memory.current": 1000 * mb
      },
      6000,
      5000
    )
  )

  it.live("v1: likewise, nested or in a container that shows its own as the root", () =>
    Effect.gen(function* () {
      yield* has({ ...inV1("/docker/abc"), ...v1("", 4000 * mb, 3000 * mb, 500 * mb) }, 4000, 1500)
      yield* has({ ...inV1("/docker/abc"), ...v1("/docker/abc", 4000 * mb, 3000 * mb, 500 * mb) }, 4000, 1500)
      yield* has(
        { ...inV1("/docker/abc"), ...v1("/docker", 3000 * mb, 0), ...v1("/docker/abc", 4000 * mb, 0) },
        3000,
        3000
      )
    })
  )

  for (const [what, tree] of [
    ["v1: 9223372036854771712", { ...inV1("/a"), ...v1("/a", "9223372036854771712\n", 100) }],
    ["v2: max", { ...inV2("/a"), ...v2("/a", "max", 100) }],
    ["v2: more than the machine has", { ...inV2("/a"), ...v2("/a", 32_000 * mb, 31_999 * mb) }],
    ["a limit without its usage", { ...inV2("/a"), "sys/fs/cgroup/a/memory.max": 100 * mb }],
    ["v1 without the memory controller", { "proc/self/cgroup": "4:cpu:/a\n", ...v1("/a", 100 * mb, 0) }],
    ["a path that leaves the tree", { ...inV2("/../../a"), ...v2("", "max", 100) }],
    ["garbage", { "proc/self/cgroup": "what\n::::\n0\n", ...v2("", "none of them\n", 1) }]
  ] as const) {
    it.live(`no limit: ${what}`, () => has(tree, 16_000, 12_000))
  }

  it.live("a system without /proc has what Node says", () =>
    Effect.map(ram, ({ ram_total_mb, ram_available_mb, swap_total_mb }) => {
      assert.strictEqual(ram_total_mb, Math.floor(Os.totalmem() / mb))
      assert.isAtLeast(ram_available_mb, 0)
      assert.strictEqual(swap_total_mb, 0)
    }).pipe(Effect.provide(memoryFrom("/no/such/root")))
  )

  it.live("this machine: figures that it can have", () =>
    Effect.gen(function* () {
      const { ram_total_mb, ram_available_mb, swap_total_mb, swap_free_mb } = yield* ram
      assert.isAtMost(ram_total_mb, Math.floor(Os.totalmem() / mb))
      assert.isAbove(ram_available_mb, 0)
      assert.isAtMost(ram_available_mb, ram_total_mb)
      assert.isAtMost(swap_free_mb, swap_total_mb)
      for (const figure of [ram_total_mb, ram_available_mb, swap_total_mb]) assert.isTrue(Number.isInteger(figure))
      assert.isAtLeast(yield* oomKills, 0)
    }).pipe(Effect.provide(MemoryLive))
  )
})

describe("MemoryLive: processes killed for memory", () => {
  const vmstat = { "proc/vmstat": "pgfault 1\noom_kill 7\nworkingset_nodes 3\n" }
  const events = (path: string, kills: number): Tree => ({
    [`sys/fs/cgroup${path}/memory.events`]: `low 0\nhigh 4\nmax 9\noom 8\noom_kill ${kills}\noom_group_kill 5\n`
  })
  const counts = (tree: Tree, kills: number) =>
    Effect.map(oomKills, (counted) => assert.strictEqual(counted, kills)).pipe(on(tree))

  it.live("v2: those of its own cgroup", () =>
    counts({ ...inV2("/a/b"), ...vmstat, ...events("/a", 20), ...events("/a/b", 3) }, 3)
  )
  it.live("v2: without the controller here, those of the nearest that has it", () =>
    counts({ ...inV2("/a/b"), ...vmstat, ...events("/a", 20) }, 20)
  )
  it.live("otherwise the machine's", () =>
    Effect.gen(function* () {
      yield* counts({ ...inV2("/"), ...vmstat }, 7)
      yield* counts({ ...inV1("/a"), ...vmstat }, 7)
      yield* counts(vmstat, 7)
    })
  )
  it.live("a kernel that does not count", () => counts({ "proc/vmstat": "pgfault 1\n" }, 0))
})
