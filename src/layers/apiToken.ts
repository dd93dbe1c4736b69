/** API tokens: what one may be, the files that hold them, and how a log names them. */
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import type { TokenFile } from "../services/Settings.js"
import { quote } from "./ssh/quote.js"

/** A token that cannot be used: which rule it breaks, and the command that mends it. Nothing of the token is in here. */
export class TokenRefused extends Data.TaggedError("TokenRefused")<{
  readonly problem: string
  readonly remedy: string
}> {
  override get message() {
    return `${this.problem}\n\n  Suggestion: ${this.remedy}`
  }
}

/** How logs name a token: `token:` and the first 6 hexadecimal digits of its SHA-256. */
export const fingerprint = (token: Redacted.Redacted): string =>
  `token:${createHash("sha256").update(Redacted.value(token)).digest("hex").slice(0, 6)}`

const token_bytes_max = 4096

/** A path as it is pasted into a shell: bare where that is the same. */
const pasted = (path: string) => (/^[\w./+-]+$/.test(path) ? path : quote([path]))

/** Which rule a token breaks; a header could not carry it otherwise. */
const fault = (text: string): string | undefined => {
  if (text === "") return "is empty"
  if (/[\r\n]/.test(text)) return "holds more than one line"
  if (!/^[\x21-\x7e]+$/.test(text)) return "holds spaces, control characters or letters beyond ASCII"
  return undefined
}

/** A token from a text whose last line may have its end; `name` and `remedy` are for the error. */
export const parseToken = (
  text: string,
  name: string,
  remedy: string
): Either.Either<Redacted.Redacted, TokenRefused> => {
  const line = text.replace(/\r?\n$/, "")
  const problem = fault(line)
  return problem === undefined
    ? Either.right(Redacted.make(line))
    : Either.left(new TokenRefused({ problem: `${name} ${problem}`, remedy }))
}

/**
 * The token in a file, which must be there, hold one line, and be closed to group and others. The checks are made on the open file, so that
 * nobody can change it between them and the reading.
 */
export const readTokenFile = ({ path, sealed }: TokenFile): Effect.Effect<Redacted.Redacted, TokenRefused> =>
  Effect.suspend(() => {
    const name = `API token file ${path}`
    const at = pasted(path)
    const make = `(umask 077; openssl rand -hex 32 > ${at})`
    const refuse = (problem: string, remedy: string) => new TokenRefused({ problem: `${name} ${problem}`, remedy })
    try {
      const file = Fs.openSync(path, Fs.constants.O_RDONLY | Fs.constants.O_NONBLOCK) // a pipe must not make us wait
      try {
        const found = Fs.fstatSync(file)
        if (!found.isFile()) return refuse("is not a regular file", `name another: ${make}`)
        const open = found.mode & (sealed ? 0o007 : 0o077)
        if (open !== 0) {
          const mode = (found.mode & 0o777).toString(8).padStart(4, "0")
          return refuse(`can be read or written by group or others (mode ${mode})`, `chmod 600 ${at}`)
        }
        if (found.size > token_bytes_max) return refuse(`is larger than ${token_bytes_max} bytes`, make)
        return parseToken(Fs.readFileSync(file, "utf8"), name, make)
      } finally {
        Fs.closeSync(file)
      }
    } catch (error) {
      const code = Predicate.hasProperty(error, "code") ? `${error.code}` : "unknown reason"
      if (code === "ENOENT" || code === "ENOTDIR") return refuse("does not exist", make)
      return refuse(`cannot be read: ${code}`, `sudo chown "$(id -un)" ${at} && chmod 600 ${at}`)
    }
  })
