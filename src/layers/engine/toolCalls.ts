/** Tool calls in an answer's text: how the model writes them, and what they mean. */
import type { ToolCall } from "../../domain/Chat.js"

/** How a call is written: prefix, name, paramsPrefix, JSON, suffix. `{{functionName}}` may stand in the last two. */
export interface CallSyntax {
  readonly prefix: string
  readonly paramsPrefix: string
  readonly suffix: string
}

/** What begins a call, white space before it left out: models are not strict with that. */
export const openingOf = ({ prefix }: CallSyntax): string => prefix.trimStart()

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The call that stands after a prefix, and the text after it; none while it is not complete. */
export const readCall = (
  { paramsPrefix, suffix }: CallSyntax,
  text: string
): { readonly call: Omit<ToolCall, "id">; readonly rest: string } | undefined => {
  const [, name = ""] = /^\s*([\w.-]+)/.exec(text) ?? []
  if (name === "") return undefined
  const filled = (part: string) => part.replaceAll("{{functionName}}", name).trim()
  const begin = text.indexOf(filled(paramsPrefix), text.indexOf(name) + name.length)
  if (begin === -1) return undefined
  const written = text.slice(begin + filled(paramsPrefix).length)
  const end = filled(suffix)
  // The suffix may stand within the arguments: the first after which they are whole ends the call.
  for (let at = end === "" ? written.length : written.indexOf(end); at !== -1; at = written.indexOf(end, at + 1)) {
    const json = written.slice(0, at).trim()
    if (json === "" || isJson(json))
      return { call: { name, arguments: json === "" ? "{}" : json }, rest: written.slice(at + end.length) }
    if (end === "") return undefined
  }
  return undefined
}
