/** An nvidia-smi for machines that have none: it answers `--query-gpu` field by field, with the figures that a scenario gives. */
import * as Fs from "node:fs/promises"
import * as Path from "node:path"

/** A GPU by the names of nvidia-smi's fields; what is left out is that of a cool, empty one. */
export type SmiGpu = Readonly<Record<string, string>>

const gpuOf = (given: SmiGpu, index: number): SmiGpu => ({
  index: `${index}`,
  uuid: `GPU-00000000-0000-0000-0000-00000000000${index}`,
  name: "NVIDIA Stand-in",
  "memory.total": "24576",
  "memory.free": "24576",
  "temperature.gpu": "40",
  "mig.mode.current": "[N/A]",
  ...given
})

/** Puts a program of that name into the folder: a shell script, which is there at once. */
const install = async (folder: string, script: string): Promise<void> => {
  const path = Path.join(folder, "nvidia-smi")
  await Fs.writeFile(path, `#!/bin/sh\n${script}\n`)
  await Fs.chmod(path, 0o755)
}

/** Prints a line with the fields that were asked for; any other is refused, as nvidia-smi does. */
const lineOf = (gpu: SmiGpu): string => `
line=
for field in $fields; do
  case "$field" in
${Object.entries(gpu)
  .map(([field, value]) => `    ${field}) value='${value}' ;;`)
  .join("\n")}
    *) echo "Field \\"$field\\" is not a valid field to query."; exit 2 ;;
  esac
  line="$line\${line:+, }$value"
done
echo "$line"`

/** One that tells of these GPUs, a line each. */
export const installSmi = (folder: string, gpus: ReadonlyArray<SmiGpu>): Promise<void> =>
  install(
    folder,
    `for argument in "$@"; do case "$argument" in --query-gpu=*) fields="\${argument#--query-gpu=}" ;; esac; done
[ -n "$fields" ] || exit 1
IFS=,
${gpus.map((gpu, index) => lineOf(gpuOf(gpu, index))).join("\n")}`
  )

const noDriver =
  "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running."

/** What may be the matter with one, by the words of features. */
const faults: Readonly<Record<string, string>> = {
  "has no driver": `echo "${noDriver}"; exit 9`,
  "never answers": "exec sleep 600",
  "lists no GPU": "exit 0"
}

/** One that is of no use. */
export const installBrokenSmi = (folder: string, what: string): Promise<void> => {
  const script = faults[what]
  if (script === undefined) throw new Error(`no such nvidia-smi: ${what}`)
  return install(folder, script)
}
