/** rbee on this machine: installed, and configured. */
import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Path from "node:path"
import { promisify } from "node:util"
import { type DataTable, Given, Then, When } from "@cucumber/cucumber"
import type { RbeeWorld } from "../support/world.js"

const execute = promisify(execFile)

const works = (file: string, args: ReadonlyArray<string>): Promise<boolean> =>
  execute(file, args).then(
    () => true,
    () => false
  )

Given(/^this is in the file (\S+):$/, async function (this: RbeeWorld, path: string, text: string) {
  const file = this.fill(path)
  await Fs.mkdir(Path.dirname(file), { recursive: true })
  await Fs.writeFile(file, `${this.fill(text)}\n`)
})

Given(/^the file (\S+) is a link to the rbee-hive that was built$/, async function (this: RbeeWorld, path: string) {
  const file = this.fill(path)
  await Fs.mkdir(Path.dirname(file), { recursive: true })
  await Fs.symlink(Path.join(Path.dirname(this.program), "rbee-hive.js"), file)
})

/** A program's own view of the files: what it is shown at `/etc` is that folder. */
const withEtc = (folder: string) => [
  ...["unshare", "--mount", "sh", "-c"],
  'mount --bind "$0" /etc && exec "$@"',
  folder
]

Given(/^this is in \/etc\/rbee\/config\.toml:$/, async function (this: RbeeWorld, text: string) {
  const etc = Path.join(this.folder, "etc")
  await Fs.mkdir(Path.join(etc, "rbee"), { recursive: true })
  await Fs.writeFile(Path.join(etc, "rbee", "config.toml"), `${text}\n`)
  const [file = "", ...args] = [...withEtc(etc), "true"]
  if (!(await works(file, args))) return "skipped" // only root may mount
  this.inside = withEtc(etc)
  return
})

When(/^(\S+) is removed$/, async function (this: RbeeWorld, path: string) {
  await Fs.rm(this.fill(path))
})

When(/^the rbee that I run is (\S+)$/, function (this: RbeeWorld, path: string) {
  this.program = this.fill(path)
})

/** Root may do everything: somebody is asked who may not. */
When(/^I have no rights in (\S+)$/, async function (this: RbeeWorld, path: string) {
  const folder = this.fill(path)
  await Fs.mkdir(folder, { recursive: true })
  await Fs.chmod(folder, 0o555)
  await Fs.chmod(this.folder, 0o755)
  if (process.getuid?.() === 0) this.inside = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
})

Then(
  "each of these tells the version when it is called by its name:",
  async function (this: RbeeWorld, table: DataTable) {
    const PATH = [Path.dirname(process.execPath), "/usr/bin", "/bin"].join(":")
    for (const [path = ""] of table.raw()) {
      const { stdout } = await execute(this.fill(path), ["--version"], { env: { PATH } })
      assert.equal(stdout, "0.1.0\n", path)
    }
  }
)

/** How a file is told of: a link by where it leads, anything else by its mode. */
const described = async (path: string): Promise<string> => {
  const stat = await Fs.lstat(path)
  return stat.isSymbolicLink() ? `-> ${await Fs.readlink(path)}` : (stat.mode & 0o777).toString(8).padStart(4, "0")
}

Then(/^(\S+) holds these, and nothing else:$/, async function (this: RbeeWorld, folder: string, table: DataTable) {
  const root = this.fill(folder)
  const names = await Fs.readdir(root)
  assert.deepEqual(
    names.sort(),
    table
      .raw()
      .map(([name = ""]) => name)
      .sort()
  )
  for (const [name = "", what] of table.raw()) assert.equal(await described(Path.join(root, name)), what, name)
})

Then(/^(\S+) sets nothing$/, async function (this: RbeeWorld, path: string) {
  const text = await Fs.readFile(this.fill(path), "utf8")
  assert.match(text, /^# port = 8080/m)
  assert.deepEqual(
    text.split("\n").filter((line) => !/^(#.*|\[\w+\]|)$/.test(line)),
    []
  )
})
