/** A model hub that speaks the Hugging Face hub's HTTP protocol on this machine: two hosts, a journal, and faults. */
import { createHash, randomBytes } from "node:crypto"
import * as Http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { answer, answerFile, type Exchange, type HubRequest } from "./answers.js"
import { type HubFault, makeFaults, take } from "./faults.js"
import { type HubRepo, type Snapshot, type StoredFile, type StoredRepo, snapshotOf, storedRepo } from "./repos.js"

export type { HubRequest } from "./answers.js"
export type { HubFault, HubFaultReach } from "./faults.js"
export type { HubFile, HubRepo } from "./repos.js"

/** What a hub begins with. */
export interface HubOptions {
  /** By their names, `org/repo`. */
  readonly repos: Readonly<Record<string, HubRepo>>
  /** Opens gated and private repositories; by default none does. A wrong one is refused for public ones too. */
  readonly token?: string
  readonly faults?: ReadonlyArray<HubFault>
  /** How many requests to the CDN a signature is good for; by default any number. */
  readonly signature_uses?: number
}

/** A hub that runs. */
export interface HubServer {
  /** The hub, for `HF_ENDPOINT`: `http://127.0.0.1:PORT`. */
  readonly url: string
  /** Where its files come from: another host, or another port where the loopback has but one address. */
  readonly cdnUrl: string
  /** Both hosts' journal, in the order the requests came. */
  readonly requests: () => ReadonlyArray<HubRequest>
  /** How many bytes of files were handed to sockets since the journal began. */
  readonly bytesSent: () => number
  /** The newest commit of a repository that there is, 40 hex digits; the same contents have the same one. */
  readonly commitOf: (repo: string) => string
  /** Sets what a repository has from now on. Whoever asks for a former commit still gets that. */
  readonly setRepo: (name: string, repo: HubRepo) => void
  /** Adds a fault, for requests under way too. */
  readonly fault: (fault: HubFault) => void
  readonly clearFaults: () => void
  /** Cuts the connections that answers go out by at the moment, those that stalled included. */
  readonly cutAll: () => void
  /** Begins an empty journal. */
  readonly forget: () => void
}

/** Starts a hub, its files hashed by then; it ends with its scope, and with it every connection. */
export const hubServer = (options: HubOptions): Effect.Effect<HubServer, never, Scope.Scope> =>
  Effect.gen(function* () {
    const faults = makeFaults()
    options.faults?.forEach(faults.add)
    const repos = new Map<string, StoredRepo>()
    const setRepo = (name: string, repo: HubRepo) => void repos.set(name, storedRepo(name, repo, repos.get(name)))
    for (const [name, repo] of Object.entries(options.repos)) setRepo(name, repo)
    const signatures = new Map<string, { readonly file: StoredFile; uses: number }>()
    const underWay = new Set<Http.ServerResponse>()
    let journal: Array<HubRequest> = []

    /** What both hosts do first: the journal's entry, and the answers that no path matters for. */
    const handled =
      (
        host: "hub" | "cdn",
        handle: (exchange: Exchange, path: string, query: URLSearchParams) => void | Promise<void>
      ) =>
      (request: Http.IncomingMessage, response: Http.ServerResponse): void => {
        const { headers, method = "GET", url = "/" } = request
        const path = url.replace(/\?.*/, "")
        const query = url.slice(path.length)
        const entry = {
          host,
          method,
          path,
          query,
          range: headers.range ?? null,
          authorization: headers.authorization ?? null,
          headers,
          status: 0,
          sent_bytes: 0
        }
        journal.push(entry)
        underWay.add(response)
        response.once("close", () => underWay.delete(response))
        const search = new URLSearchParams(query)
        const signed = signatures.get(search.get("sig") ?? "")
        const paths = signed === undefined ? [path, decoded(path)] : [path, signed.file.name]
        const exchange = { request, response, entry, meeting: faults.meeting({ host, method, paths }) }
        response.on("error", () => {})
        const fault = take(exchange.meeting("status"))
        if (fault !== undefined) return answer(exchange, fault.status, fault.headers ?? {}, fault.body)
        if (method !== "GET" && method !== "HEAD") return answer(exchange, 405, { allow: "GET, HEAD" })
        // a file that went away under the hub: the client gets what a broken server gives
        Promise.resolve(handle(exchange, path, search)).catch(() => response.destroy())
      }

    const cdnUrl = yield* serving(
      ["127.0.0.2", "127.0.0.1"],
      handled("cdn", (exchange, path, query) => {
        const signature = query.get("sig") ?? ""
        const signed = signatures.get(signature)
        const expire = () => void signatures.delete(signature)
        if (signed === undefined || path !== `/${signed.file.digest}`) return forbid(exchange)
        signed.uses += 1
        if (signed.uses >= (options.signature_uses ?? Number.POSITIVE_INFINITY)) expire()
        if (take(exchange.meeting("expire").filter(({ fault }) => fault.after_bytes === undefined))) {
          expire()
          return forbid(exchange)
        }
        return answerFile(exchange, signed.file, { expire })
      })
    )

    /** What a request may see of a repository; undefined once it was refused. */
    const visible = (exchange: Exchange, name: string, revision: string, files: boolean): Snapshot | undefined => {
      const { authorization } = exchange.entry
      const known = authorization !== null && authorization === `Bearer ${options.token}`
      if (authorization !== null && !known) return refuse(exchange, 401, null, "Invalid credentials")
      const repo = repos.get(name)
      if (repo === undefined || (repo.access === "private" && !known)) {
        return refuse(exchange, known ? 404 : 401, "RepoNotFound", "Repository not found")
      }
      if (files && repo.access === "gated" && !(known && repo.accepted)) {
        return refuse(exchange, known ? 403 : 401, "GatedRepo", `Access to model ${name} is restricted`)
      }
      return snapshotOf(repo, revision) ?? refuse(exchange, 404, "RevisionNotFound", `Invalid rev id: ${revision}`)
    }

    const url = yield* serving(
      ["127.0.0.1"],
      handled("hub", (exchange, path, query) => {
        const route = routeOf(path)
        if (route === null) return refuse(exchange, 404, null, "Not found")
        const { name, revision, file_path } = route
        const snapshot = visible(exchange, name, revision, file_path !== null)
        if (snapshot === undefined) return
        if (file_path === null) {
          const body = listing(name, repos.get(name)?.access ?? "public", snapshot, query.get("blobs") === "true")
          for (const extra of take(exchange.meeting("names"))?.names ?? []) body.siblings.push(madeUp(extra))
          return answer(exchange, 200, { "content-type": "application/json; charset=utf-8" }, JSON.stringify(body))
        }
        const file = snapshot.files.get(file_path)
        if (file === undefined) return refuse(exchange, 404, "EntryNotFound", "Entry not found")
        const headers = { "x-repo-commit": snapshot.commit }
        if (!file.lfs) return answerFile(exchange, file, { headers })
        const signature = randomBytes(16).toString("hex")
        signatures.set(signature, { file, uses: 0 })
        const location = `${cdnUrl}/${file.digest}?sig=${signature}`
        const linked = { "x-linked-etag": `"${file.digest}"`, "x-linked-size": file.size_bytes, location }
        return answer(exchange, 302, { ...headers, ...linked, "content-type": "text/plain" }, "Found. Redirecting")
      })
    )

    return {
      url,
      cdnUrl,
      requests: () => journal.map((entry) => ({ ...entry })),
      bytesSent: () => journal.reduce((sum, { sent_bytes }) => sum + sent_bytes, 0),
      commitOf: (repo) => repos.get(repo)?.newest.commit ?? "",
      setRepo,
      fault: faults.add,
      clearFaults: faults.clear,
      cutAll: () => {
        for (const response of underWay) response.socket?.destroy()
      },
      forget: () => {
        journal = []
      }
    }
  })

/** A server on the first of these addresses that this machine has; its URL. */
const serving = (
  [host, ...others]: ReadonlyArray<string>,
  listener: Http.RequestListener
): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.async<Http.Server, Error>((resume) => {
      // an idle connection stays: one closed by the server while it is used again would be a fault nobody asked for
      const server = Http.createServer({ keepAliveTimeout: 0 }, listener)
      server.once("error", (error) => resume(Effect.fail(error)))
      server.listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) =>
      Effect.async<void>((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return `http://${host}:${typeof address === "object" && address !== null ? address.port : 0}`
    }),
    Effect.catchAll((error) => (others.length > 0 ? serving(others, listener) : Effect.die(error)))
  )

const refuse = (exchange: Exchange, status: number, code: string | null, message: string): undefined => {
  const headers = { "content-type": "application/json; charset=utf-8", "x-error-message": message }
  answer(
    exchange,
    status,
    code === null ? headers : { ...headers, "x-error-code": code },
    JSON.stringify({ error: message })
  )
}

const forbid = (exchange: Exchange): void =>
  answer(
    exchange,
    403,
    { "content-type": "application/xml" },
    "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
  )

/** What a path asks of the hub; null where it asks nothing that there is. A revision with slashes has them encoded. */
const routeOf = (
  path: string
): { readonly name: string; readonly revision: string; readonly file_path: string | null } | null => {
  const [, ...parts] = path.split("/").map(decoded)
  const api = parts[0] === "api" && parts[1] === "models"
  const [org, repo, verb = "revision", revision = "main", ...file] = api ? parts.slice(2) : parts
  const name = `${org}/${repo}`
  if (api) return verb === "revision" && file.length === 0 ? { name, revision, file_path: null } : null
  return verb === "resolve" && file.length > 0 ? { name, revision, file_path: file.join("/") } : null
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

interface Sibling {
  readonly rfilename: string
  readonly size?: number
  readonly lfs?: { readonly sha256: string; readonly size: number; readonly pointerSize: number }
}

const listing = (id: string, access: StoredRepo["access"], { commit, files }: Snapshot, blobs: boolean) => ({
  id,
  sha: commit,
  private: access === "private",
  gated: access === "gated" && "auto",
  siblings: [...files].map(([rfilename, { digest, lfs, size_bytes }]): Sibling => {
    if (!blobs) return { rfilename }
    return lfs ? stored(rfilename, digest, size_bytes) : { rfilename, size: size_bytes }
  })
})

const stored = (rfilename: string, sha256: string, size: number): Sibling => ({
  rfilename,
  size,
  // the pointer in git is a text of three lines, the last with the size
  lfs: { sha256, size, pointerSize: 125 + `${size}`.length }
})

const madeUp = (name: string): Sibling => stored(name, createHash("sha256").update(name).digest("hex"), 1000)
