/** The error catalogue: every error survives the wire, and every one has the code, status and words of errors.md. */

import { readdirSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Equal from "effect/Equal"
import * as FastCheck from "effect/FastCheck"
import { isString } from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Utils from "effect/Utils"
import { CorrelationId } from "../../src/domain/CorrelationId.js"
import { Device } from "../../src/domain/Device.js"
import { describe as inWords, statusOf, tags } from "../../src/domain/errors/Catalogue.js"
import { AnyError, enveloped } from "../../src/domain/errors/Envelope.js"
import * as E from "../../src/domain/errors/index.js"
import { NodeName, WorkerId } from "../../src/domain/Ids.js"

type Tag = E.RbeeError["_tag"]
type ErrorClass = Schema.Schema<E.RbeeError, typeof E.RbeeError.Encoded> & { readonly _tag: Tag }

// The members are the catalogue's classes; a tuple of sixty is too wide to walk with its types.
const classes = E.RbeeError.members as unknown as ReadonlyArray<ErrorClass>

/** `Equal.equals`, which by itself compares arrays inside an error by identity. */
const assertSame = (actual: unknown, expected: unknown) =>
  assert.isTrue(
    Utils.structuralRegion(() => Equal.equals(actual, expected)),
    `${JSON.stringify(actual)} is not ${JSON.stringify(expected)}`
  )

/** There and back, as text between two processes. */
const through = <A, I>(schema: Schema.Schema<A, I>) => {
  const encode = Schema.encodeSync(schema)
  const decode = Schema.decodeUnknownSync(schema)
  return (value: A): A => decode(JSON.parse(JSON.stringify(encode(value))))
}
const throughUnion = through(E.RbeeError)
const throughAnyError = through(AnyError)

describe("every error survives the wire as the same error", () => {
  for (const member of classes) {
    const throughClass = through(member)
    const throughEnvelope = through(enveloped(member))
    it.prop(member._tag, [member], ([error]) => {
      for (const there of [throughClass, throughUnion, throughEnvelope, throughAnyError])
        assertSame(there(error), error)
    })
  }

  it("whatever characters its texts hold", () => {
    const reason = 'a"\\\n\r\u0000\u001b[31m\u2028🍰\ud800</script>'
    const error = new E.QueenUnreachable({ url: "http://ü:1", reason })
    assertSame(throughAnyError(error), error)
  })

  it("holding no figure that JSON has no word for", () => {
    for (const timeout_s of [Number.NaN, Number.POSITIVE_INFINITY]) {
      assert.throws(() => new E.SshConnectionTimeout({ ...address, attempts: 3, timeout_s }))
    }
  })

  it("and never as another one", () => {
    const { error } = Schema.encodeSync(enveloped(E.NodeNotFound))(new E.NodeNotFound({ node: ws }))
    assert.isTrue(Either.isLeft(Schema.decodeEither(enveloped(E.NodeAlreadyExists))({ error })))
    assert.isTrue(Either.isLeft(Schema.decodeEither(AnyError)({ ...error, tag: "NoSuchError" })))
    assert.isTrue(Either.isLeft(Schema.decodeEither(AnyError)({ ...error, details: {} })))
  })

  it.effect("in an envelope that holds nothing but figures and words", () =>
    Effect.gen(function* () {
      const error = new E.VramExhausted({ device: cuda1, required_mb: 6000, available_mb: 4000 })
      const body = yield* Schema.encode(enveloped(E.VramExhausted))(error).pipe(
        Effect.provideService(CorrelationId, "c-1")
      )
      assert.deepStrictEqual(body, {
        error: {
          code: "VRAM_EXHAUSTED",
          tag: "VramExhausted",
          message: "Insufficient VRAM: need 6000 MB, have 4000 MB. GPU FAIL FAST! NO CPU FALLBACK!",
          details: { device: { backend: "cuda", index: 1 }, required_mb: 6000, available_mb: 4000 },
          suggestion:
            "use a smaller quantized model (Q4_K_M instead of Q8_0), free VRAM on the device,\nor choose the CPU yourself: --backend cpu",
          correlation_id: "c-1"
        }
      })
    })
  )
})

describe("the catalogue is whole", () => {
  it("every class of errors/ is in the union, and every one of the union in the catalogue", async () => {
    const folder = new URL("../../src/domain/errors/", import.meta.url)
    const files = readdirSync(folder).filter((file) => !["index.ts", "Catalogue.ts", "Envelope.ts"].includes(file))
    const written: Array<string> = []
    for (const file of files) {
      const exported: Record<string, unknown> = await import(new URL(file, folder).href)
      for (const [name, value] of Object.entries(exported)) {
        if (typeof value !== "function" || !("_tag" in value)) continue // unions have no tag
        assert.strictEqual(value._tag, name, "an error's tag is its class's name")
        written.push(name)
      }
    }
    const inUnion = classes.map(({ _tag }) => _tag)
    assert.isAbove(written.length, 50, "the folder was read")
    assert.sameMembers(inUnion, written)
    assert.sameMembers([...tags], written)
    assert.strictEqual(new Set(written).size, written.length)
  })

  it("no two errors share a code, and only Unauthorized has two", () => {
    const owners = new Map<string, Set<Tag>>()
    for (const member of classes) {
      const codes = new Set(FastCheck.sample(Arbitrary.make(member), 50).map((error) => inWords(error).code))
      assert.strictEqual(codes.size, member._tag === "Unauthorized" ? 2 : 1, member._tag)
      for (const code of codes) owners.set(code, (owners.get(code) ?? new Set()).add(member._tag))
    }
    for (const [code, owner] of owners) assert.strictEqual(owner.size, 1, `${code}: ${[...owner].join(", ")}`)
  })
})

/** The statuses that http-api.md knows. */
const statuses = [400, 401, 403, 404, 408, 409, 413, 429, 499, 500, 502, 503, 504, 507]

/** What a figure leaves behind that was not there, or was printed as no figure is. */
const leftover = /undefined|\[object|NaN|\bnull\b/

/** An error's values, but for texts in which such a word stands by chance. */
const withoutChance = (member: ErrorClass) => {
  const encode = Schema.encodeSync(member)
  return Arbitrary.make(member).filter(
    (error) => !/undefined|object|NaN|null/.test(Object.values(encode(error)).flat().filter(isString).join(" "))
  )
}

describe("every error has its words, whatever its figures", () => {
  for (const member of classes) {
    it.prop(member._tag, [withoutChance(member)], ([error]) => {
      const { code, status, exit, message, suggestion } = inWords(error)
      assert.match(code, /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$|^CANCELLED$/)
      assert.include(statuses, status)
      assert.strictEqual(status, statusOf(error._tag))
      assert.strictEqual(exit, error._tag === "InferenceCancelled" ? 130 : 1)
      assert.notStrictEqual(message.trim(), "")
      assert.notStrictEqual(suggestion?.trim(), "")
      for (const words of [message, suggestion ?? ""]) assert.notMatch(words, leftover)
    })
  }
})

/** errors.md's table, and below the line what only this code needs. */
const table: ReadonlyArray<readonly [Tag, string | ReadonlyArray<string>, number]> = [
  ["SshConnectionTimeout", "SSH_CONNECTION_TIMEOUT", 504],
  ["SshConnectionRefused", "SSH_CONNECTION_REFUSED", 504],
  ["SshHostUnknown", "SSH_HOST_UNKNOWN", 504],
  ["SshAuthenticationFailed", "SSH_AUTH_FAILED", 502],
  ["SshCommandFailed", "SSH_COMMAND_FAILED", 502],
  ["HiveBinaryNotFound", "HIVE_BINARY_NOT_FOUND", 502],
  ["SshHostKeyMismatch", "SSH_HOST_KEY_MISMATCH", 502],
  ["HiveUnreachable", "HIVE_UNREACHABLE", 504],
  ["InvalidHiveResponse", "INVALID_HIVE_RESPONSE", 502],
  ["WorkerConnectionLost", "WORKER_CONNECTION_LOST", 502],
  ["InsufficientRam", "INSUFFICIENT_RAM", 507],
  ["OutOfMemory", "OUT_OF_MEMORY", 507],
  ["VramExhausted", "VRAM_EXHAUSTED", 507],
  ["InsufficientDisk", "INSUFFICIENT_DISK", 507],
  ["DiskFull", "DISK_FULL", 507],
  ["ModelNotFound", "MODEL_NOT_FOUND", 404],
  ["ModelAccessDenied", "MODEL_ACCESS_DENIED", 403],
  ["DownloadTimeout", "DOWNLOAD_TIMEOUT", 504],
  ["DownloadFailed", "DOWNLOAD_FAILED", 502],
  ["ChecksumMismatch", "CHECKSUM_MISMATCH", 502],
  ["InvalidModelFile", "INVALID_MODEL_FILE", 400],
  ["BackendUnavailable", "BACKEND_UNAVAILABLE", 400],
  ["CudaUnavailable", "CUDA_UNAVAILABLE", 400],
  ["CudaDeviceFailed", "CUDA_DEVICE_FAILED", 502],
  ["GpuTooHot", "GPU_TOO_HOT", 503],
  ["VramFragmented", "VRAM_FRAGMENTED", 507],
  ["NodeNotFound", "NODE_NOT_FOUND", 404],
  ["LogNotFound", "LOG_NOT_FOUND", 404],
  ["RegistryUnavailable", "REGISTRY_UNAVAILABLE", 503],
  ["CatalogUnavailable", "CATALOG_UNAVAILABLE", 503],
  ["SshKeyNotFound", "SSH_KEY_NOT_FOUND", 400],
  ["NodeAlreadyExists", "NODE_ALREADY_EXISTS", 409],
  ["WorkerBinaryNotFound", "WORKER_BINARY_NOT_FOUND", 404],
  ["NoFreePort", "NO_FREE_PORT", 503],
  ["WorkerStartFailed", "WORKER_START_FAILED", 502],
  ["WorkerStartTimeout", "WORKER_START_TIMEOUT", 504],
  ["WorkerCrashed", "WORKER_CRASHED", 502],
  ["WorkerHung", "WORKER_TIMEOUT", 504],
  ["WorkerDraining", "WORKER_DRAINING", 503],
  ["InvalidModelRef", "INVALID_MODEL_REF", 400],
  ["InvalidBackend", "INVALID_BACKEND", 400],
  ["DeviceUnavailable", "DEVICE_UNAVAILABLE", 400],
  ["InvalidRequest", "INVALID_REQUEST", 400],
  ["ModelLoadTimeout", "MODEL_LOAD_TIMEOUT", 504],
  ["RequestTimeout", "REQUEST_TIMEOUT", 408],
  ["Unauthorized", ["MISSING_API_KEY", "INVALID_API_KEY"], 401],
  ["WorkerBusy", "ALL_SLOTS_BUSY", 503],
  ["VersionMismatch", "VERSION_MISMATCH", 502],
  ["WorkerBuildFailed", "WORKER_BUILD_FAILED", 502],
  ["CudaToolkitMissing", "CUDA_TOOLKIT_MISSING", 400],
  ["WorkerVerificationFailed", "WORKER_VERIFICATION_FAILED", 502],
  ["ContextOverflow", "CONTEXT_OVERFLOW", 400],
  ["InferenceCancelled", "CANCELLED", 499],
  ["QueenUnreachable", "QUEEN_UNREACHABLE", 504],
  ["WorkerAlreadyRegistered", "WORKER_ALREADY_REGISTERED", 409],
  ["TunnelFailed", "TUNNEL_FAILED", 502],
  ["InternalError", "INTERNAL_ERROR", 500],
  // not in errors.md: named by http-api.md, or a step of a phase that can fail by itself
  ["WorkerLoading", "WORKER_LOADING", 503],
  ["BodyTooLarge", "BODY_TOO_LARGE", 413],
  ["RouteNotFound", "ROUTE_NOT_FOUND", 404],
  ["WorkerNotFound", "WORKER_NOT_FOUND", 404],
  ["WorkerStateConflict", "WORKER_STATE_CONFLICT", 409],
  ["ModelInUse", "MODEL_IN_USE", 409],
  ["DownloadNotFound", "DOWNLOAD_NOT_FOUND", 404],
  ["HiveStartFailed", "HIVE_START_FAILED", 502],
  ["HiveClaimed", "HIVE_CLAIMED", 409],
  ["BackupUnusable", "BACKUP_UNUSABLE", 400],
  ["DatabaseInUse", "DATABASE_IN_USE", 409],
  ["SshKeyLocked", "SSH_KEY_LOCKED", 400],
  ["SshSetupInvalid", "SSH_SETUP_INVALID", 400],
  ["SshTransferFailed", "SSH_TRANSFER_FAILED", 502],
  ["InstallFailed", "INSTALL_FAILED", 502]
]

describe("codes and statuses are those of errors.md", () => {
  it("for every error there is", () => {
    assert.sameMembers(
      table.map(([tag]) => tag),
      [...tags]
    )
  })

  for (const [tag, codes, status] of table) {
    it(`${tag}: ${codes}, ${status}`, () => {
      const member = classes.find(({ _tag }) => _tag === tag)
      assert.isDefined(member)
      for (const error of FastCheck.sample(Arbitrary.make(member), 20)) {
        assert.include([codes].flat(), inWords(error).code)
        assert.strictEqual(inWords(error).status, status)
      }
    })
  }
})

const ws = NodeName.make("workstation")
const id = WorkerId.make("worker-1")
const cuda1 = new Device({ backend: "cuda", index: 1 })
const gguf = "hf:org/repo"
const failFast = "GPU FAIL FAST! NO CPU FALLBACK!"
const figures = { required_mb: 6000, available_mb: 4000 }
const address = { host: "192.168.1.100", port: 22 }
const partial = { tokens_received: 15, max_tokens: 100, partial_file: "/tmp/rbee_partial.txt" }
const saved = "Tokens generated: 15 / 100\nPartial result saved to: /tmp/rbee_partial.txt"

/** The words that errors.md gives literally, with figures in them; `suggestion` where it words a command. */
const wordings: ReadonlyArray<readonly [E.RbeeError, message: string, suggestion?: string]> = [
  [
    new E.SshConnectionTimeout({ ...address, attempts: 3, timeout_s: 10 }),
    "SSH connection failed after 3 attempts: 192.168.1.100:22, timeout 10 s"
  ],
  [
    new E.SshAuthenticationFailed({ ...address, user: "vince", tried: ["publickey"], reason: "Permission denied" }),
    "SSH authentication failed: Permission denied (tried: publickey, as vince@192.168.1.100)",
    "chmod 600"
  ],
  [
    new E.SshAuthenticationFailed({ ...address, user: "vince", tried: [], reason: "no key" }),
    "SSH authentication failed: no key (tried: nothing, as vince@192.168.1.100)"
  ],
  [
    new E.SshCommandFailed({ node: ws, exit_code: 127, reason: "sh: rbee: not found" }),
    "workstation: command failed with exit code 127: sh: rbee: not found"
  ],
  [
    new E.SshCommandFailed({ node: ws, exit_code: null, reason: "SIGKILL" }),
    "workstation: command did not end by itself: SIGKILL"
  ],
  [
    new E.HiveBinaryNotFound({ node: ws, looked_at: [] }),
    "Failed to start rbee-hive: command not found on workstation",
    "rbee setup install --node workstation"
  ],
  [
    new E.HiveBinaryNotFound({ node: ws, looked_at: ["rbee", "~/rbee/bin/rbee"] }),
    "Failed to start rbee-hive: command not found on workstation (looked at: rbee, ~/rbee/bin/rbee)"
  ],
  [
    new E.SshHostKeyMismatch({ ...address, node: ws, expected: ["SHA256:a"], actual: "SHA256:b", revoked: false }),
    "The host key of 192.168.1.100 changed: expected SHA256:a, got SHA256:b",
    "Someone may be intercepting"
  ],
  [
    new E.SshHostKeyMismatch({
      ...address,
      node: ws,
      port: 2222,
      expected: ["SHA256:a", "SHA256:c"],
      actual: "SHA256:b",
      revoked: false
    }),
    "The host key of 192.168.1.100:2222 changed: expected SHA256:a or SHA256:c, got SHA256:b",
    "rbee setup update-node --name workstation --accept-host-key SHA256:b"
  ],
  [
    new E.SshHostKeyMismatch({ ...address, node: ws, expected: [], actual: "SHA256:b", revoked: false }),
    "No host key is on record for 192.168.1.100:22, which shows SHA256:b",
    "--accept-host-key SHA256:b"
  ],
  [
    new E.SshHostKeyMismatch({ ...address, node: ws, expected: ["SHA256:b"], actual: "SHA256:b", revoked: true }),
    "The host key that 192.168.1.100:22 shows is revoked in known_hosts: SHA256:b",
    "do not connect"
  ],
  [
    new E.SshKeyLocked({ path: "/home/me/.ssh/id_ed25519", wrong_passphrase: false }),
    "The SSH key /home/me/.ssh/id_ed25519 has a passphrase, and no SSH agent holds it",
    "ssh-add /home/me/.ssh/id_ed25519"
  ],
  [
    new E.SshKeyLocked({ path: "/home/me/.ssh/id_ed25519", wrong_passphrase: true }),
    "That is not the passphrase of the SSH key /home/me/.ssh/id_ed25519"
  ],
  [
    new E.NodeAlreadyExists({ node: ws }),
    "Node 'workstation' already exists in registry",
    "rbee setup update-node --name workstation …\nor take it off first: rbee setup remove-node --name workstation"
  ],
  [
    new E.VersionMismatch({ part: "rbee-hive", node: ws, required: ">=0.1.0", actual: "0.0.9" }),
    "rbee-hive version incompatible: need >=0.1.0, have 0.0.9",
    "rbee setup install --node workstation"
  ],
  [
    new E.HiveUnreachable({ node: ws, attempts: 3, reason: "connection refused" }),
    "Cannot connect to rbee-hive on workstation after 3 attempts: connection refused",
    "rbee logs --node workstation"
  ],
  [
    new E.LogNotFound({ node: ws, worker_id: null, workers: [] }),
    "No hive has run on workstation yet: there is no log"
  ],
  [
    new E.LogNotFound({ node: ws, worker_id: WorkerId.make("w-9"), workers: [id] }),
    "No log of a worker w-9 on workstation",
    "Workers with a log there, the newest first:\n  worker-1"
  ],
  [
    new E.InvalidHiveResponse({ node: ws, reason: "expected JSON, parse error at position 7" }),
    "Invalid response from rbee-hive: expected JSON, parse error at position 7"
  ],
  [
    new E.WorkerConnectionLost({ ...partial, reason: "socket hang up" }),
    `Worker connection lost: 15 tokens received (socket hang up)\n${saved}`
  ],
  [new E.InsufficientRam({ ...figures, decreased: false }), "Insufficient RAM: need 6000 MB, have 4000 MB"],
  [
    new E.InsufficientRam({ ...figures, decreased: true }),
    "Insufficient RAM: need 6000 MB, have 4000 MB. RAM decreased during preflight"
  ],
  [new E.OutOfMemory({ log_path: "/l" }), "Out of memory during model loading"],
  [
    new E.VramExhausted({ device: cuda1, ...figures }),
    `Insufficient VRAM: need 6000 MB, have 4000 MB. ${failFast}`,
    "--backend cpu"
  ],
  [
    new E.InsufficientDisk({ reference: gguf, ...figures, free_inodes: null }),
    "Insufficient disk space: need 6000 MB, have 4000 MB",
    "rbee models rm"
  ],
  [
    new E.InsufficientDisk({ reference: gguf, required_mb: 10, available_mb: 4000, free_inodes: 2 }),
    "Insufficient disk space: the disk takes 2 more files (inodes)",
    "rbee models rm"
  ],
  [
    new E.DiskFull({ reference: gguf, missing_mb: 12 }),
    "Disk full during download (partial file removed): 12 MB were still to come",
    "rbee models rm"
  ],
  [
    new E.ModelNotFound({ reference: gguf, missing: "repository", near: [] }),
    `Model not found: ${gguf} (no such repository)`,
    "https://huggingface.co. If the repository is private: export HF_TOKEN="
  ],
  [
    new E.ModelNotFound({ reference: `${gguf}@v9`, missing: "revision", near: [] }),
    `Model not found: ${gguf}@v9 (no such revision)`,
    "huggingface.co"
  ],
  [
    new E.ModelNotFound({ reference: "file:///m/x.gguf", missing: "file", near: [] }),
    "Model not found: file:///m/x.gguf (no such file)",
    "a regular file of the node"
  ],
  [
    new E.ModelNotFound({ reference: gguf, missing: "model", near: [] }),
    `Model not found: ${gguf} (no GGUF file for it)`,
    "a repository with GGUF files"
  ],
  [
    new E.ModelNotFound({ reference: gguf, missing: "model", near: [`${gguf}:Q4_0`, `${gguf}:Q8_0`] }),
    `Model not found: ${gguf} (no GGUF file for it)`,
    "There is: hf:org/repo:Q4_0,\nhf:org/repo:Q8_0"
  ],
  [
    new E.ModelNotFound({ reference: gguf, missing: "entry", near: [] }),
    `Model not found: ${gguf} (not in the node's catalog)`,
    "rbee models list"
  ],
  [
    new E.ModelAccessDenied({ reference: gguf, problem: "token_missing" }),
    `Access denied to model ${gguf}`,
    "export HF_TOKEN="
  ],
  [
    new E.ModelAccessDenied({ reference: gguf, problem: "token_refused" }),
    `Access denied to model ${gguf}: the hub refused the token`,
    "export HF_TOKEN="
  ],
  [
    new E.ModelAccessDenied({ reference: `${gguf}:Q8_0@main`, problem: "not_granted" }),
    `Access denied to model ${gguf}:Q8_0@main: the token's owner has no access to it`,
    "https://huggingface.co/org/repo"
  ],
  [
    new E.ModelInUse({ reference: gguf, workers: ["w-1", "w-2"] }),
    `Model ${gguf} is in use by w-1, w-2`,
    "Stop the worker first"
  ],
  [new E.DownloadNotFound({ download_id: "d-1" }), "Download d-1 not found", "Start it again"],
  [new E.DownloadTimeout({ reference: gguf, attempts: 6 }), "Download timeout after 6 attempts", "resumes"],
  [
    new E.DownloadFailed({ reference: gguf, attempts: 6, reason: "connection reset" }),
    "Download failed after 6 attempts: connection reset"
  ],
  [
    new E.ChecksumMismatch({ reference: gguf, expected_sha256: "a", actual_sha256: "b" }),
    "Checksum mismatch: file corrupted (deleted)"
  ],
  [
    new E.BackendUnavailable({ backend: "metal", available: ["cpu", "cuda"] }),
    `Backend not available: metal. ${failFast}`,
    "Available: [cpu, cuda]. Try: --backend cuda --device 0"
  ],
  [
    new E.BackendUnavailable({ backend: "cuda", available: ["cpu"] }),
    `Backend not available: cuda. ${failFast}`,
    "Available: [cpu]. Try: --backend cpu"
  ],
  [
    new E.BackendUnavailable({ backend: "cpu", available: [] }),
    "Backend not available: cpu",
    "The engine did not start"
  ],
  [
    new E.CudaUnavailable({ reason: "no driver" }),
    `CUDA backend not available: no driver. ${failFast}`,
    "--backend cpu"
  ],
  [
    new E.CudaDeviceFailed({ device: 1, reason: "ECC error" }),
    `CUDA device 1 failed to initialise: ECC error. ${failFast}`,
    "nvidia-smi"
  ],
  [new E.GpuTooHot({ device: cuda1, temperature_c: 85, max_c: 80 }), "GPU temperature: 85 °C (max: 80 °C)"],
  [
    new E.VramFragmented({ device: cuda1, required_mb: 6000, largest_block_mb: 4000 }),
    "VRAM is fragmented: largest free block 4000 MB, need 6000 MB",
    "Restart the workers"
  ],
  [
    new E.NodeNotFound({ node: ws }),
    "Node 'workstation' not found in rbee-hive registry",
    "rbee setup add-node --name workstation"
  ],
  [new E.SshKeyNotFound({ path: "/k" }), "SSH key not found: /k"],
  [new E.NodeAlreadyExists({ node: ws }), "Node 'workstation' already exists in registry", "remove-node"],
  [new E.WorkerBinaryNotFound({ worker_type: "x" }), "Worker binary not found: x", "rbee setup install"],
  [new E.NoFreePort({ first: 8001, last: 8999 }), "no free port between 8001 and 8999"],
  [
    new E.WorkerStartFailed({ worker_id: id, exit_code: 1, signal: null, log_lines: ["a", "b"], log_path: "/l" }),
    "Worker startup failed: exit code 1\n  a\n  b",
    "/l"
  ],
  [
    new E.WorkerStartFailed({ worker_id: id, exit_code: null, signal: "SIGSEGV", log_lines: [], log_path: "/l" }),
    "Worker startup failed: killed by SIGSEGV"
  ],
  [
    new E.WorkerStartTimeout({ worker_id: id, timeout_s: 30, log_path: "/l" }),
    "Worker did not report within 30 s",
    "/l"
  ],
  [new E.WorkerCrashed(partial), `SSE stream closed unexpectedly - worker may have crashed\n${saved}`],
  [
    new E.WorkerCrashed({ ...partial, partial_file: null }),
    "SSE stream closed unexpectedly - worker may have crashed\nTokens generated: 15 / 100"
  ],
  [new E.WorkerHung({ ...partial, silent_ms: 60_000 }), `Worker timeout - no response for 60s\n${saved}`],
  [new E.WorkerDraining(), "Worker is draining"],
  [
    new E.InvalidModelRef({ rule: "expected hf:org/repo or file:///path" }),
    "Invalid model reference format: expected hf:org/repo or file:///path",
    "hf:"
  ],
  [new E.InvalidBackend(), "Invalid backend. Valid: [cpu, cuda, metal]", "--backend cuda"],
  [
    new E.DeviceUnavailable({ backend: "cuda", device: 5, available: [0, 1] }),
    "Device 5 not available. Available: [0, 1]",
    "--device 0"
  ],
  [
    new E.DeviceUnavailable({ backend: "cuda", device: 1, available: [0], reason: "NVIDIA A100: MIG mode is on" }),
    "Device 1 not available: NVIDIA A100: MIG mode is on. Available: [0]",
    "--device 0"
  ],
  [
    new E.DeviceUnavailable({ backend: "cuda", device: 5, available: [] }),
    "Device 5 not available. Available: []",
    "--backend cpu"
  ],
  [
    new E.InvalidRequest({ issues: ["temperature: a number between 0 and 2", "prompt: is missing"] }),
    "Invalid request: temperature: a number between 0 and 2; prompt: is missing"
  ],
  [
    new E.ModelLoadTimeout({ worker_id: id, timeout_s: 300, layers_loaded: 28, layers_total: 32, log_path: "/l" }),
    "Model loading timeout after 5 minutes (stuck at 28/32 layers)",
    "/l"
  ],
  [
    new E.ModelLoadTimeout({ worker_id: id, timeout_s: 2.5, layers_loaded: 0, layers_total: 32, log_path: "/l" }),
    "Model loading timeout after 2.5 s (stuck at 0/32 layers)"
  ],
  [new E.RequestTimeout({ deadline: "2026-11-21T10:00:00Z" }), "Request exceeded its deadline 2026-11-21T10:00:00Z"],
  [new E.Unauthorized({ host: "workstation:9200", problem: "missing" }), "Missing API key for workstation:9200"],
  [new E.Unauthorized({ host: "workstation:9200", problem: "invalid" }), "Invalid API key for workstation:9200"],
  [
    new E.WorkerBusy({ slots_total: 1, slots_busy: 1, retries: 3 }),
    "Worker still busy after 3 retries (1 of 1 slots)",
    "--slots"
  ],
  [
    new E.VersionMismatch({ part: "rbee-hive", node: ws, required: ">=0.1.0", actual: "0.0.9" }),
    "rbee-hive version incompatible: need >=0.1.0, have 0.0.9",
    "rbee setup install --node workstation"
  ],
  [
    new E.WorkerBuildFailed({ worker_type: "x", features: ["cuda", "flash"], stderr_lines: ["error: linker"] }),
    "Worker build failed: x [cuda, flash]\n  error: linker"
  ],
  [new E.CudaToolkitMissing(), `CUDA toolkit not found. ${failFast}`, "https://developer.nvidia.com/cuda-downloads"],
  [
    new E.WorkerVerificationFailed({ worker_type: "x", reason: "not executable" }),
    "Binary verification failed: not executable (x)",
    "executable"
  ],
  [
    new E.ContextOverflow({ prompt_tokens: 5000, context_size: 4096 }),
    "prompt of 5000 tokens exceeds the context of 4096",
    "--ctx-size"
  ],
  [new E.InferenceCancelled({ tokens_received: 3 }), "Request canceled, slot released"],
  [
    new E.QueenUnreachable({ url: "http://127.0.0.1:8080", reason: "connection refused" }),
    "Cannot reach queen-rbee at http://127.0.0.1:8080: connection refused",
    "rbee queen start"
  ],
  [new E.InternalError({ correlation_id: "c-1" }), "Unexpected error (correlation id c-1)"]
]

describe("messages are worded as errors.md has them", () => {
  for (const [error, message, suggestion = ""] of wordings) {
    it(`${error._tag}: ${message.split("\n")[0]}`, () => {
      assert.strictEqual(inWords(error).message, message)
      assert.include(inWords(error).suggestion ?? "", suggestion)
    })
  }
})
