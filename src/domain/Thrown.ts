/** What libraries and the system throw, as far as anything is known of it. */

/** Its words. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** The system's or the library's code for it, such as `ENOENT`, where it has one. */
export const codeOf = (thrown: unknown): unknown =>
  thrown instanceof Error && "code" in thrown ? thrown.code : undefined
