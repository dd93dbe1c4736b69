/** A model hub of a scenario's own, on this machine, and what it has. */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type HubRepo, type HubRequest, type HubServer, hubServer } from "../../src/testing/hub/HubServer.js"

/** A file that the hub has: `org/repo`, its path there, its bytes. */
export interface ModelOnHub {
  readonly repo: string
  readonly path: string
  readonly content: Buffer
}

/** A hub that runs, until it is stopped. */
export class ModelHub {
  constructor(
    readonly server: HubServer,
    readonly files: readonly [ModelOnHub, ...ReadonlyArray<ModelOnHub>],
    readonly stop: () => Promise<void>
  ) {}

  /** The file that a scenario with one file is about. */
  get file(): ModelOnHub {
    return this.files[0]
  }

  /** An offset in that file. */
  readonly offsetAt = (percent: number): number => Math.floor((this.file.content.length * percent) / 100)

  /** The same files, kept from whoever has not the token, or was not let in. */
  readonly restrict = (name: string, access: Pick<HubRepo, "access" | "accepted">): void =>
    this.server.setRepo(name, {
      ...access,
      ...reposOf(this.files)[name],
      files: reposOf(this.files)[name]?.files ?? {}
    })

  /** What was asked of it for bytes of files. */
  get fetches(): ReadonlyArray<HubRequest> {
    return this.server.requests().filter(({ host, method }) => host === "cdn" && method === "GET")
  }
}

/** Starts a hub with these files. */
export const startHub = async (files: ReadonlyArray<ModelOnHub>, token?: string): Promise<ModelHub> => {
  const [first, ...others] = files
  if (first === undefined) throw new Error("a hub without files")
  const scope = await Effect.runPromise(Scope.make())
  const options = { repos: reposOf(files), ...(token === undefined ? {} : { token }) }
  const server = await Effect.runPromise(Scope.extend(hubServer(options), scope))
  return new ModelHub(server, [first, ...others], () => Effect.runPromise(Scope.close(scope, Exit.void)))
}

const reposOf = (files: ReadonlyArray<ModelOnHub>): Readonly<Record<string, HubRepo>> => {
  const repos: Record<string, HubRepo> = {}
  for (const { repo, path, content } of files) {
    repos[repo] = { files: { ...repos[repo]?.files, [path]: { content } } }
  }
  return repos
}

/** The SHA-256 in hex, as the hub and the catalog tell it. */
export const sha256Of = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")
