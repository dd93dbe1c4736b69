/** Which prompts begin alike: a worker that read the beginning before need not read it again. */

/** A prompt in pieces of so many characters; of each it is remembered only what it hashes to, with all before it. */
const piece = 128
/** How far a prompt is looked at, in pieces. */
const pieces_max = 256
/** How many prompts are remembered of each worker. */
const prompts_max = 16

/** A prompt's beginning as it is remembered: one number a piece. */
export type Prefix = ReadonlyArray<number>

/** What is remembered of a prompt (FNV-1a, carried on from piece to piece). */
export const prefixOf = (prompt: string): Prefix => {
  const prefix: Array<number> = []
  let hash = 0x811c9dc5
  const end = Math.min(prompt.length - (prompt.length % piece), piece * pieces_max)
  for (let at = 0; at < end; at++) {
    hash = Math.imul(hash ^ prompt.charCodeAt(at), 0x01000193)
    if ((at + 1) % piece === 0) prefix.push(hash)
  }
  return prefix
}

/** How many pieces two have in common. */
const common = (a: Prefix, b: Prefix): number => {
  const length = Math.min(a.length, b.length)
  let same = 0
  while (same < length && a[same] === b[same]) same++
  return same
}

/** The longest beginning that any of the remembered ones has in common with this one. */
export const longestCommon = (known: ReadonlyArray<Prefix>, prefix: Prefix): number =>
  known.reduce((longest, one) => Math.max(longest, common(one, prefix)), 0)

/** Remembers one more, and forgets the oldest. */
export const remember = (known: ReadonlyArray<Prefix>, prefix: Prefix): ReadonlyArray<Prefix> =>
  prefix.length === 0 ? known : [...known, prefix].slice(-prompts_max)
