/** A node's disk in memory: one disk, whatever the folder, with the figures that a test says. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Disk, type DiskSpace } from "../services/Disk.js"

/** What a disk is like. */
export interface DiskFigures extends DiskSpace {
  readonly busy_percent: number | null
}

/** Room for anything, and idle. */
export const plentyOfDisk: DiskFigures = { free_bytes: 512_000 * 1024 ** 2, free_inodes: 1_000_000, busy_percent: 0 }

/** The tests' side of {@link Disk}. */
export class DiskTest extends Context.Tag("rbee/DiskTest")<
  DiskTest,
  {
    /** Changes what is free, or how busy it is, from here on. */
    readonly change: (figures: Partial<DiskFigures>) => Effect.Effect<void>
  }
>() {
  /** The double, with these figures. */
  static readonly layer = (figures: Partial<DiskFigures> = {}): Layer.Layer<Disk | DiskTest> =>
    Layer.effectContext(
      Effect.sync(() => {
        let now: DiskFigures = { ...plentyOfDisk, ...figures }
        const disk = Disk.of({
          space: () => Effect.sync(() => ({ free_bytes: now.free_bytes, free_inodes: now.free_inodes })),
          busy_percent: Effect.sync(() => now.busy_percent)
        })
        const change = (next: Partial<DiskFigures>) =>
          Effect.sync(() => {
            now = { ...now, ...next }
          })
        return Context.make(Disk, disk).pipe(Context.add(DiskTest, DiskTest.of({ change })))
      })
    )
}
