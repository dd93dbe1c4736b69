/** The node's disk. */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/** What the disk of a folder has left. */
export interface DiskSpace {
  /** Bytes that an ordinary user may still write (`bavail`). */
  readonly free_bytes: number
  /** Files that may still be made; `null` where the file system has no such limit. */
  readonly free_inodes: number | null
}

/** What is free and how busy it is, read afresh at every call. */
export class Disk extends Context.Tag("rbee/Disk")<
  Disk,
  {
    /** Of the disk that the folder is or will be on. */
    readonly space: (folder: string) => Effect.Effect<DiskSpace>
    /** How much of the last seconds tasks waited for the disk, in percent; `null` where the system does not tell. */
    readonly busy_percent: Effect.Effect<number | null>
  }
>() {}
