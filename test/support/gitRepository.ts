/** Git repositories for tests, reached by file:// without any network. */
import * as Path from "node:path"
import { run, writeFiles } from "./installer.js"

/** A bare repository that is committed to. */
export interface Repository {
  readonly url: string
  /** Writes these files and commits them to `main`; the commit. */
  readonly commit: (files: Readonly<Record<string, string>>) => Promise<string>
}

const git = (cwd: string, ...args: ReadonlyArray<string>) =>
  run("git", ["-c", "user.name=bee", "-c", "user.email=bee@example.org", "-c", "commit.gpgsign=false", ...args], {
    cwd
  })

/** Makes an empty repository in a folder, which it goes with. */
export const makeRepository = async (folder: string): Promise<Repository> => {
  const bare = Path.join(folder, "rbee.git")
  const tree = Path.join(folder, "tree")
  await git(folder, "init", "--quiet", "--bare", "--initial-branch=main", bare)
  await git(folder, "clone", "--quiet", bare, tree)
  await git(tree, "checkout", "--quiet", "-B", "main")
  return {
    url: `file://${bare}`,
    commit: async (files) => {
      await writeFiles(tree, files)
      await git(tree, "add", "-A")
      await git(tree, "commit", "--quiet", "-m", "next")
      await git(tree, "push", "--quiet", "origin", "main")
      return (await git(tree, "rev-parse", "HEAD")).stdout.trim()
    }
  }
}
