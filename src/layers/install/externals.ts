/** The packages that stay outside of the bundle, since native addons find their binaries relative to themselves. */
export const externals: ReadonlyArray<string> = ["ssh2", "better-sqlite3", "node-llama-cpp"]
