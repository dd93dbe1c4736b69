/** A real OpenSSH server for tests: its own folder, keys, port and configuration; nothing of the machine's is touched. */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { TestHost } from "./netns.js"

const run = promisify(execFile)
const sshd = "/usr/sbin/sshd"

/** What a test may want to be different. */
export interface SshdOptions {
  /** Set for every session, `PATH` included; the user's ~/.bashrc is not read. */
  readonly env?: Readonly<Record<string, string>>
  /** Further lines of sshd_config, such as `MaxSessions 2`. They come first, and the first of a directive counts. */
  readonly config?: ReadonlyArray<string>
  /** The host key's type. */
  readonly host_key_type?: "ed25519" | "ecdsa" | "rsa"
  /** The host to run in, with all that is started through it; otherwise this machine's loopback. It listens on port 22 there. */
  readonly on?: TestHost
}

/** A server that runs. */
export interface TestSshd {
  readonly host: string
  readonly port: number
  readonly user: string
  /** A private key that it accepts. */
  readonly keyPath: string
  /** `SHA256:…`, as ssh-keygen prints it. */
  readonly hostKeyFingerprint: string
  /** The host's public key: type and base64. */
  readonly hostKey: string
  /** A folder of the test's own, removed at the end. SFTP's `~` where `env` names no HOME. */
  readonly dir: string
  readonly pid: number
  /** What the server logged so far. */
  readonly log: () => string
  /** Waits until the log has a line like that. */
  readonly logged: (pattern: RegExp) => Promise<void>
  /** Ends the server's connections, sessions and all they started that is still there; the server stays. */
  readonly dropSessions: () => Promise<void>
  /** Ends the server and all that was started through it, and removes its folder. */
  readonly stop: () => Promise<void>
}

/** A server for as long as the scope. */
export const testSshd = (options: SshdOptions = {}): Effect.Effect<TestSshd, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => startSshd(options)),
    ({ stop }) => Effect.promise(stop)
  )

/** Starts a server. It must be stopped; if the test process ends without that, it goes with it. */
export const startSshd = async (options: SshdOptions = {}): Promise<TestSshd> => {
  await Fs.access(sshd).catch(() => {
    throw new Error(`${sshd} is missing: install openssh-server to run these tests`)
  })
  const { uid, username: user } = Os.userInfo()
  if (uid === 0) await Fs.mkdir("/run/sshd", { recursive: true, mode: 0o755 }) // where it wants to drop privileges
  const dir = await Fs.mkdtemp(Path.join(Os.tmpdir(), "rbee-sshd-"))
  try {
    const keyPath = Path.join(dir, "user_key")
    const hostKeyPath = Path.join(dir, "host_key")
    await Promise.all([makeKey(keyPath, "ed25519"), makeKey(hostKeyPath, options.host_key_type ?? "ed25519")])
    await Fs.copyFile(`${keyPath}.pub`, Path.join(dir, "authorized_keys"))
    const server = await listenSomewhere(dir, hostKeyPath, options)
    const dropSessions = () => endSessions(server.mark, server.child.pid)
    const stop = async () => {
      await end(server)
      await Fs.rm(dir, { recursive: true, force: true })
    }
    return {
      host: options.on?.address ?? "127.0.0.1",
      port: server.port,
      user,
      keyPath,
      hostKeyFingerprint: await fingerprintOf(`${hostKeyPath}.pub`),
      hostKey: (await Fs.readFile(`${hostKeyPath}.pub`, "utf8")).split(" ").slice(0, 2).join(" "),
      dir,
      pid: server.child.pid ?? 0,
      log: server.log,
      logged: (pattern) => logged(server, pattern),
      dropSessions,
      stop
    }
  } catch (error) {
    await Fs.rm(dir, { recursive: true, force: true })
    throw error
  }
}

/** Makes a key pair at a path. */
export const makeKey = async (path: string, type: string, passphrase = ""): Promise<void> => {
  await run("ssh-keygen", ["-q", "-t", type, "-N", passphrase, "-C", "rbee-test", "-f", path])
}

/** A public key's fingerprint, as ssh-keygen prints it. */
export const fingerprintOf = async (path: string): Promise<string> =>
  (await run("ssh-keygen", ["-l", "-f", path])).stdout.split(" ")[1] ?? ""

interface Server {
  readonly child: ChildProcess
  readonly port: number
  readonly mark: string
  readonly log: () => string
  readonly forgetExit: () => void
}

/** Starts sshd on a free port; another process may take that first, then on another. */
const listenSomewhere = async (dir: string, hostKeyPath: string, options: SshdOptions, left = 5): Promise<Server> => {
  const address = options.on?.address ?? "127.0.0.1"
  const port = options.on === undefined ? await freePort() : 22
  // Inherited by all that a session starts, so that nothing of it can hide from stop.
  const mark = `RBEE_TEST_SSHD=${Path.basename(dir)}-${port}`
  const conf = Path.join(dir, "sshd_config")
  await Fs.writeFile(conf, configuration(dir, hostKeyPath, address, port, mark, options))
  // `ip netns exec` becomes what it runs, so that the child is sshd either way.
  const [file, ...args] = [...(options.on?.enter ?? []), sshd, "-D", "-e", "-f", conf]
  const child = spawn(file ?? sshd, args, { stdio: ["ignore", "ignore", "pipe"] })
  const kill = () => child.kill("SIGKILL")
  process.once("exit", kill)
  const forgetExit = () => process.off("exit", kill)

  let log = ""
  child.stderr.setEncoding("utf8")
  const listening = await new Promise<boolean>((resolve, reject) => {
    child.stderr.on("data", (text: string) => {
      log += text
      if (log.includes(`Server listening on ${address} port ${port}.`)) resolve(true)
    })
    child.once("error", reject)
    child.once("close", () =>
      log.includes("Address already in use") && left > 0
        ? resolve(false)
        : reject(new Error(`sshd did not start:\n${log}`))
    )
  }).catch((error: unknown) => {
    forgetExit()
    throw error
  })
  if (listening) return { child, port, mark, log: () => log, forgetExit }
  forgetExit()
  return listenSomewhere(dir, hostKeyPath, options, left - 1)
}

const logged = ({ child, log }: Server, pattern: RegExp) =>
  new Promise<void>((resolve) => {
    const look = () => {
      if (!pattern.test(log())) return
      child.stderr?.off("data", look)
      resolve()
    }
    child.stderr?.on("data", look) // after the listener that keeps the log
    look()
  })

const configuration = (
  dir: string,
  hostKeyPath: string,
  address: string,
  port: number,
  mark: string,
  options: SshdOptions
) => {
  // SHLVL keeps bash from reading the user's ~/.bashrc, as it does under sshd: that may be slow, and a session killed
  // inside it may leave its locks behind (pyenv's lasts a minute).
  const variables = [mark, "SHLVL=1", ...Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`)]
  // sshd reads one SetEnv only, with all variables; quotes keep spaces together.
  const quoted = variables.map((variable) => `"${variable.replace(/["\\]/g, "\\$&")}"`)
  const config = options.config ?? []
  // Relative paths start in the test's folder, not in the home of whoever runs the tests. A subsystem may stand there once.
  const sftp = `Subsystem sftp internal-sftp -d ${options.env?.HOME ?? dir}`
  return [
    ...config,
    ...(config.some((line) => line.startsWith("Subsystem ")) ? [] : [sftp]),
    `ListenAddress ${address}`,
    `Port ${port}`,
    `HostKey ${hostKeyPath}`,
    `AuthorizedKeysFile ${Path.join(dir, "authorized_keys")}`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "AllowTcpForwarding yes",
    "LogLevel VERBOSE",
    `SetEnv ${quoted.join(" ")}`,
    ""
  ].join("\n")
}

/** A port that nobody listened on a moment ago. */
export const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = Net.createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

/** Stopped first, so that it takes no connection while those it has are ended. */
const end = async ({ child, mark, forgetExit }: Server) => {
  forgetExit()
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const running = child.exitCode === null && child.signalCode === null
  if (running) child.kill("SIGSTOP")
  await endSessions(mark, child.pid)
  child.kill("SIGKILL")
  if (running) await ended
}

/** Kills the server's children, theirs, and what carries the mark: whatever sessions left behind. Linux only. */
const endSessions = async (mark: string, server: number | undefined): Promise<void> => {
  const pids = (await Fs.readdir("/proc").catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      const [environ, stat] = await Promise.all([read(`/proc/${pid}/environ`), read(`/proc/${pid}/stat`)])
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
      return { pid, parent, marked: environ.split("\0").includes(mark) }
    })
  )
  const descends = (parent: number): boolean =>
    parent === server || found.some((one) => one.pid === parent && one.parent > 1 && descends(one.parent))
  for (const { pid, parent, marked } of found) if (marked || descends(parent)) kill(pid)
}

const read = (path: string) => Fs.readFile(path, "utf8").catch(() => "")

const kill = (pid: number) => {
  try {
    process.kill(pid, "SIGKILL")
  } catch {
    // It ended by itself meanwhile.
  }
}
