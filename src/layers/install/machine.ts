/** What compiled packages are bound to. Runs on nodes with any Node, before one knows which: no library, no new syntax. */
import type { Machine } from "../../domain/Install.js"

/** As far as Node's diagnostic report is read. */
interface Report {
  readonly header?: { readonly glibcVersionRuntime?: string }
}

const libc = (): Machine["libc"] => {
  if (process.platform !== "linux") return "-"
  if (!process.report) return "glibc" // a Node too old to say; its version is refused anyway
  Object.assign(process.report, { excludeNetwork: true }) // it would look up the names of all peers
  const report = process.report.getReport() as Report // Node types it as an object of anything
  return report.header?.glibcVersionRuntime ? "glibc" : "musl"
}

/** This machine. */
export const thisMachine = (): Machine => ({
  platform: process.platform,
  arch: process.arch,
  libc: libc(),
  modules: process.versions.modules
})
