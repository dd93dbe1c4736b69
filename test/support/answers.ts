/** Answers of a real worker, asked for over sockets of their own, which can be closed at any time. */
import * as Http from "node:http"

/** What is read of an event. */
export interface AnswerEvent {
  readonly type: string
  readonly t?: string
  readonly i?: number
  readonly stop_reason?: string
  readonly tokens_out?: number
}

/** One request for an answer. */
export interface AnswerRequest {
  /** Settles with the headers; fails where the connection does before them. */
  readonly status: Promise<number>
  readonly headers: () => Http.IncomingHttpHeaders
  /** The events so far, each with the time when it came, in milliseconds. */
  readonly events: ReadonlyArray<{ readonly event: AnswerEvent; readonly at_ms: number }>
  /** Settles with the body when the answer, or the connection, is over. */
  readonly body: Promise<string>
  /** Settles with the first token, or with the end where none came. */
  readonly begun: Promise<void>
  /** Closes the connection. */
  readonly close: () => void
}

/** What is asked of a worker. */
export interface Ask {
  readonly body?: object
  readonly headers?: Readonly<Record<string, string>>
}

/** Asks for a story that is not done soon, unless the body says otherwise. */
export const ask = (url: string, { body = {}, headers = {} }: Ask = {}): AnswerRequest => {
  const events: Array<{ event: AnswerEvent; at_ms: number }> = []
  let answered: Http.IncomingMessage | undefined
  let begin = () => {}
  const begun = new Promise<void>((resolve) => {
    begin = resolve
  })
  const request = Http.request(`${url}/v1/inference`, {
    method: "POST",
    agent: false,
    headers: { "content-type": "application/json", ...headers }
  })
  const body_text = new Promise<string>((resolve) => {
    request.on("close", () => {
      begin()
      resolve(text)
    })
  })
  let text = ""
  let unread = ""
  const read = (piece: string) => {
    text += piece
    const lines = (unread + piece).split("\n")
    unread = lines.pop() ?? ""
    const at_ms = performance.now()
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue
      const event: AnswerEvent = JSON.parse(line.slice("data: ".length))
      events.push({ event, at_ms })
      if (event.type === "token") begin()
    }
  }
  const status = new Promise<number>((resolve, reject) => {
    request.on("error", reject)
    request.on("response", (response) => {
      answered = response
      response
        .setEncoding("utf8")
        .on("data", read)
        .on("error", () => undefined)
      resolve(response.statusCode ?? 0)
    })
  })
  status.catch(() => undefined) // told to whoever waits for it
  request.end(JSON.stringify({ prompt: "Once upon a time", max_tokens: 100_000, ...body }))
  return {
    ...{ status, events, begun, body: body_text },
    headers: () => answered?.headers ?? {},
    close: () => request.destroy()
  }
}

/** The text that came so far. */
export const textOf = ({ events }: AnswerRequest): string => events.map(({ event }) => event.t ?? "").join("")

/** Cancels a request; the status of the answer, once it is there. */
export const cancel = async (url: string, id: string): Promise<number> =>
  (await fetch(`${url}/v1/inference/${id}`, { method: "DELETE" })).status

/** What a worker says of itself. */
export interface StatusOfWorker {
  readonly slots_total: number
  readonly slots_available: number
  readonly waiting: number
  readonly tokens_generated: number
  readonly requests: ReadonlyArray<string>
}

/** What the worker does at this moment. */
export const statusOf = async (url: string): Promise<StatusOfWorker> =>
  JSON.parse(await (await fetch(`${url}/v1/status`)).text())

/** Waits until the worker is as it should be; after ten seconds it fails. Milliseconds from the call on. */
export const untilStatus = async (url: string, isSo: (status: StatusOfWorker) => boolean): Promise<number> => {
  const begin = performance.now()
  for (;;) {
    const status = await statusOf(url)
    const took_ms = performance.now() - begin
    if (isSo(status)) return took_ms
    if (took_ms > 10_000) throw new Error(`the worker stays so: ${JSON.stringify(status)}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
