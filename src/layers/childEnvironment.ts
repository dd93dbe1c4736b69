/** What processes inherit from us. */

/** Our environment for a child, without the secrets of that name: it has a key of its own, or no use for one. */
export const environmentWithout = (...names: ReadonlyArray<string>): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !names.includes(name)))
