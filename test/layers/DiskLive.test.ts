import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { DiskLive, diskFrom } from "../../src/layers/DiskLive.js"
import { Disk } from "../../src/services/Disk.js"
import { tempDir } from "../support/tempDir.js"

const mb = 1024 ** 2
const spaceOf = (folder: string) => Effect.flatMap(Disk, (disk) => disk.space(folder))

describe("DiskLive: space", () => {
  it.live("what an ordinary user may still write, without what is kept for root", () =>
    Effect.gen(function* () {
      const { free_bytes } = yield* spaceOf("/")
      const { bavail, bfree, bsize } = Fs.statfsSync("/")
      assert.approximately(free_bytes, bavail * bsize, 512 * mb) // others write meanwhile
      assert.isAtMost(bavail, bfree)
      // Where root has something to itself, it shows.
      if ((bfree - bavail) * bsize > 1024 * mb) assert.isBelow(free_bytes, bfree * bsize - 512 * mb)
    }).pipe(Effect.provide(DiskLive))
  )

  it.live("a folder that is not there yet is on the disk that it will be on", () =>
    Effect.gen(function* () {
      const folder = yield* tempDir
      const here = yield* spaceOf(folder)
      const deeper = yield* spaceOf(Path.join(folder, "no/such/folder"))
      assert.approximately(deeper.free_bytes, here.free_bytes, 512 * mb)
      assert.isAbove(deeper.free_bytes, 0)
    }).pipe(Effect.scoped, Effect.provide(DiskLive))
  )

  it.live("so is one below a file", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* tempDir, "file")
      Fs.writeFileSync(file, "")
      assert.isAbove((yield* spaceOf(Path.join(file, "folder"))).free_bytes, 0)
    }).pipe(Effect.scoped, Effect.provide(DiskLive))
  )

  it.live("files that may still be made, where there is a limit", () =>
    Effect.gen(function* () {
      for (const folder of [Os.tmpdir(), "/proc"]) {
        const { files, ffree } = Fs.statfsSync(folder)
        const { free_inodes } = yield* spaceOf(folder)
        if (files === 0) assert.isNull(free_inodes, folder)
        else assert.approximately(free_inodes ?? -1, ffree, 10_000, folder)
      }
    }).pipe(Effect.provide(DiskLive))
  )
})

describe("DiskLive: how busy", () => {
  const some = "some avg10=62.34 avg60=3.46 avg300=0.95 total=66986187"
  const full = "full avg10=99.00 avg60=3.08 avg300=0.84 total=62245404"
  for (const [what, pressure, percent] of [
    ["the last 10 s in which some task waited", `${some}\n${full}\n`, 62.34],
    ["idle", `some avg10=0.00 avg60=3.46\n${full}\n`, 0],
    ["a system that does not tell", null, null],
    ["one that tells something else", "some avg10=much\n", null]
  ] as const) {
    it.live(what, () =>
      Effect.gen(function* () {
        const root = yield* tempDir
        Fs.mkdirSync(Path.join(root, "proc/pressure"), { recursive: true })
        if (pressure !== null) Fs.writeFileSync(Path.join(root, "proc/pressure/io"), pressure)
        const busy = yield* Effect.flatMap(Disk, (disk) => disk.busy_percent).pipe(Effect.provide(diskFrom(root)))
        assert.strictEqual(busy, percent)
      }).pipe(Effect.scoped)
    )
  }
})
