/** The hub's HTTP protocol: what a repository holds, where a file is now, and its bytes. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { type AccessProblem, DownloadFailed, ModelAccessDenied, ModelNotFound } from "../../domain/errors/Model.js"
import { chooseFiles, type HubFile, type HubListing } from "../../domain/HubFiles.js"
import type { HubModel } from "../../domain/ModelRef.js"
import { Bytes } from "../../domain/Units.js"
import { type Answer, ask, type Connections, textOf } from "./http.js"
import { Broken, broken, Refused } from "./trouble.js"

/** A hub: its address, and the token of the moment. */
export interface Hub {
  readonly endpoint: URL
  readonly connections: Connections
  readonly token: Effect.Effect<Option.Option<Redacted.Redacted>>
  /** How long it may say nothing. */
  readonly stall: Duration.Duration
}

/** `GET /api/models/{repo}/revision/{revision}?blobs=true`, as far as it is read. */
const Repository = Schema.parseJson(
  Schema.Struct({
    sha: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{40}$/)),
    siblings: Schema.Array(
      Schema.Struct({
        rfilename: Schema.String,
        size: Schema.optionalWith(Schema.NullOr(Bytes), { default: () => null }),
        lfs: Schema.optionalWith(
          Schema.NullOr(Schema.Struct({ sha256: Schema.String.pipe(Schema.pattern(/^[0-9a-f]{64}$/)), size: Bytes })),
          { default: () => null }
        )
      })
    )
  })
)

/** The files that the reference means, at the commit that its revision stands for now. */
export const list = Effect.fn("hub.list")(function* (hub: Hub, model: HubModel) {
  const revision = encodeURIComponent(model.revision ?? "main")
  const url = new URL(`api/models/${model.repo}/revision/${revision}?blobs=true`, hub.endpoint)
  const { response } = yield* inquire(hub, "GET", url)
  if (response.status !== 200) return yield* refuse(hub, model, response)
  const { sha, siblings } = yield* Effect.mapError(Schema.decode(Repository)(yield* textOf(response, hub.stall)), () =>
    broken("the hub's answer is not a repository's listing")
  )
  const files = siblings.map(
    ({ rfilename, size, lfs }): HubFile => ({
      path: rfilename,
      size_bytes: lfs?.size ?? size ?? 0,
      sha256: lfs?.sha256 ?? null
    })
  )
  const chosen = chooseFiles(model, files)
  if (chosen._tag === "Left") {
    const missing = model.choice._tag === "File" ? "file" : "model"
    return yield* refused(new ModelNotFound({ reference: model.toString(), missing, near: chosen.left }))
  }
  const listing: HubListing = { commit: sha, files: chosen.right }
  return listing
}, Effect.scoped)

/** Where a file is now: the signed address that the hub redirects to, or the hub's own. */
export const locate = Effect.fn("hub.locate")(function* (hub: Hub, model: HubModel, commit: string, file: HubFile) {
  const path = file.path.split("/").map(encodeURIComponent).join("/")
  const first = new URL(`${model.repo}/resolve/${commit}/${path}`, hub.endpoint)
  const { response, url, next } = yield* inquire(hub, "HEAD", first)
  if (response.status === 200) return url
  if (next === null) return yield* refuse(hub, model, response)
  const sha256 = header(response, "x-linked-etag")?.replace(/^(?:W\/)?"|"$/g, "") ?? null
  const size = header(response, "x-linked-size")
  const differs =
    (sha256 !== null && file.sha256 !== null && sha256 !== file.sha256) ||
    (size !== null && Number(size) !== file.size_bytes)
  if (differs) return yield* failed(model, "the hub has another file under that name than it listed")
  return next
}, Effect.scoped)

/** A range of a file, both ends included. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** Asks for a file's bytes: all of them, or a range. Anything but 200 and 206 is trouble, or has no body that matters. */
export const open = (hub: Hub, url: URL, range: Range | null) =>
  request(hub, "GET", url, range === null ? {} : { range: `bytes=${range.start}-${range.end}` })

/** How often the hub may point to another place of its own: a repository that was renamed, a plain file's new home. */
const detours_max = 5

/** A request to the hub, which is followed to other places of the hub itself, and nowhere else. */
const inquire = (hub: Hub, method: "GET" | "HEAD", first: URL) =>
  Effect.gen(function* () {
    let url = first
    for (let detours = 0; ; detours++) {
      const response = yield* request(hub, method, url)
      const location = response.status >= 300 && response.status < 400 ? header(response, "location") : null
      const next = location === null ? null : new URL(location, url)
      if (next === null || next.origin !== hub.endpoint.origin || detours === detours_max)
        return { response, url, next }
      url = next
    }
  })

/** One request, with the token where it goes to the hub itself and nowhere else. Fails where no answer begins in time. */
const request = Effect.fnUntraced(function* (
  hub: Hub,
  method: "GET" | "HEAD",
  url: URL,
  headers: Readonly<Record<string, string>> = {}
) {
  const token = url.origin === hub.endpoint.origin ? yield* hub.token : Option.none()
  const authorization = Option.match(token, {
    onNone: () => ({}),
    onSome: (secret) => ({ authorization: `Bearer ${Redacted.value(secret)}` })
  })
  const all = { ...headers, ...authorization, "accept-encoding": "identity", "user-agent": "rbee" }
  return yield* ask(hub.connections, { method, url, headers: all }, hub.stall)
})

/** A header's value, where it stands once. */
export const header = ({ headers }: Answer, name: string): string | null => {
  const value = headers[name]
  return typeof value === "string" ? value : null
}

const refused = (error: Refused["error"]) => Effect.fail(new Refused({ error }))

const failed = (model: HubModel, reason: string) =>
  refused(new DownloadFailed({ reference: model.toString(), attempts: 1, reason }))

const missingOf: Readonly<Record<string, ModelNotFound["missing"]>> = {
  RepoNotFound: "repository",
  RevisionNotFound: "revision",
  EntryNotFound: "file"
}

/** What the hub itself means by an answer that is none. `X-Error-Code` tells apart what the status does not. */
export const refuse = Effect.fn("hub.refuse")(function* (hub: Hub, model: HubModel, response: Answer) {
  const reference = model.toString()
  const { status } = response
  const code = header(response, "x-error-code")
  const anonymous = Option.isNone(yield* hub.token)
  const missing = missingOf[code ?? ""]
  if (missing !== undefined) return yield* refused(new ModelNotFound({ reference, missing, near: [] }))
  if (status === 401 || status === 403) {
    const problem: AccessProblem = anonymous ? "token_missing" : status === 401 ? "token_refused" : "not_granted"
    return yield* refused(new ModelAccessDenied({ reference, problem }))
  }
  if (status === 404) return yield* refused(new ModelNotFound({ reference, missing: "file", near: [] }))
  return yield* patience(model, response)
})

/** 429 and 5xx are worth another try, when the server says; anything else is not. */
export const patience = Effect.fnUntraced(function* (model: HubModel, response: Answer) {
  const { status } = response
  if (status !== 408 && status !== 429 && status < 500) return yield* failed(model, `the hub answered ${status}`)
  const after = header(response, "retry-after")
  const now_ms = yield* Clock.currentTimeMillis
  const reason = status === 429 ? "the hub has too many requests of ours (429)" : `the hub answered ${status}`
  return yield* new Broken({ reason, stalled: false, retry_after_ms: after === null ? null : waitOf(after, now_ms) })
})

/** `Retry-After` in milliseconds: seconds, or a date. */
const waitOf = (after: string, now_ms: number): number | null => {
  const wait_ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - now_ms
  return Number.isNaN(wait_ms) ? null : Math.max(0, wait_ms)
}
