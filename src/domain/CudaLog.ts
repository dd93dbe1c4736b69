/** What the engine logs when CUDA fails it; some of that ends its whole process. */
import * as Arr from "effect/Array"
import type * as Option from "effect/Option"

/** ggml's own words, as they are printed or as they stand in a line of JSON. */
const complaints = [
  /failed to initialize CUDA: [^"\\]+/,
  /CUDA error: [^"\\]+/,
  /allocating [\d.]+ MiB on device \d+: cudaMalloc failed: [^"\\]+/,
  /ggml-cuda\.cu:\d+: [^"\\]+/ // where it aborted: all there is when the abort outran the log
]

/** The first complaint about CUDA, without the time and the place before it: what comes later follows from it. */
export const cudaComplaint = (log_lines: ReadonlyArray<string>): Option.Option<string> =>
  Arr.head(
    log_lines.flatMap((line) =>
      complaints.flatMap((complaint) => {
        const words = complaint.exec(line)?.[0]
        return words === undefined ? [] : [words.trim()]
      })
    )
  )
