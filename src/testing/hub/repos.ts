/** What a hub keeps: repositories with their files, and every commit they ever had. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"

/** A file of a repository. */
export interface HubFile {
  /** Its bytes, or a file on this disk: hashed when the repository is set, streamed when it is asked for. */
  readonly content: Uint8Array | { readonly path: string }
  /** Whether it is in large file storage, the default: the hub redirects to the CDN. Any other it sends itself. */
  readonly lfs?: boolean
}

/** A repository. */
export interface HubRepo {
  /** By their path in it. */
  readonly files: Readonly<Record<string, HubFile>>
  /** Branches and tags besides `main`, all at the newest commit. */
  readonly revisions?: ReadonlyArray<string>
  /** By default public. A gated one is listed for all, its files are for the token; a private one is hidden without. */
  readonly access?: "public" | "gated" | "private"
  /** Whether the token's owner was let into this gated repository; by default yes. */
  readonly accepted?: boolean
}

/** A file as the hub has it. */
export interface StoredFile {
  /** With its repository: `org/repo/path/file.gguf`. */
  readonly name: string
  readonly content: HubFile["content"]
  readonly lfs: boolean
  readonly size_bytes: number
  /** The sha256 of a file in large file storage, the git blob's sha1 of any other; hex. */
  readonly digest: string
}

/** A repository at a commit. */
export interface Snapshot {
  /** 40 hex digits. */
  readonly commit: string
  /** By their path in the repository. */
  readonly files: ReadonlyMap<string, StoredFile>
}

/** A repository with its past: whoever pinned a commit still gets it. */
export interface StoredRepo extends Required<Omit<HubRepo, "files">> {
  readonly newest: Snapshot
  readonly commits: ReadonlyMap<string, Snapshot>
}

/** A repository's next state, read and hashed at once. */
export const storedRepo = (name: string, repo: HubRepo, before: StoredRepo | undefined): StoredRepo => {
  const files = new Map(
    Object.entries(repo.files)
      .map(([path, file]) => [path, storedFile(`${name}/${path}`, file)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1))
  )
  const contents = [...files].map(([path, { digest }]) => `${digest} ${path}\n`)
  const newest = { commit: createHash("sha1").update(contents.join("")).digest("hex"), files }
  return {
    revisions: repo.revisions ?? [],
    access: repo.access ?? "public",
    accepted: repo.accepted ?? true,
    newest,
    commits: new Map(before?.commits).set(newest.commit, newest)
  }
}

/** A repository at a branch, a tag or a commit. */
export const snapshotOf = (repo: StoredRepo, revision: string): Snapshot | undefined =>
  revision === "main" || repo.revisions.includes(revision) ? repo.newest : repo.commits.get(revision)

const storedFile = (name: string, { content, lfs = true }: HubFile): StoredFile => {
  const size_bytes = content instanceof Uint8Array ? content.length : Fs.statSync(content.path).size
  const hash = createHash(lfs ? "sha256" : "sha1")
  if (!lfs) hash.update(`blob ${size_bytes}\0`)
  if (content instanceof Uint8Array) {
    hash.update(content)
  } else {
    const file = Fs.openSync(content.path, "r")
    try {
      const piece = new Uint8Array(1 << 20)
      for (let read = Fs.readSync(file, piece); read > 0; read = Fs.readSync(file, piece)) {
        hash.update(piece.subarray(0, read))
      }
    } finally {
      Fs.closeSync(file)
    }
  }
  return { name, content, lfs, size_bytes, digest: hash.digest("hex") }
}
