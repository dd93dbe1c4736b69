Feature: Life of a worker
  A worker is one process with one model. Its hive starts it, hears from it when it is ready, and tells why when it never is.

  @WK-1 @WK-3 @EH-012b @LIFE-1 @real
  Scenario: A worker starts on a free port, with just these arguments, and is in the list when it is ready
    Given somebody else listens on the first port for workers
    And a hive runs in the foreground
    When the hive is asked for a worker:
      | model    | "demo" |
      | slots    | 2      |
      | ctx_size | 512    |
      | threads  | 1      |
    Then the hive told, in this order:
      | Port {first port} in use, trying {next port}…       |
      | Starting worker {worker} on cpu:0, port {next port} |
      | Worker {worker} is ready (pid {worker pid})                |
    And the process of the worker runs `worker serve` with just these arguments:
      | --worker-id    | {worker}                                |
      | --model        | {demo model}                            |
      | --backend      | cpu                                     |
      | --device       | 0                                       |
      | --port         | {next port}                             |
      | --slots        | 2                                       |
      | --ctx-size     | 512                                     |
      | --threads      | 1                                       |
      | --callback-url | {hive}/v1/workers/ready                 |
      | --api-key-file | {folder}/rbee/run/{worker}.key          |
    And the hive lists just this worker:
      | id              | "{worker}"                       |
      | node            | "localhost"                      |
      | url             | "http://127.0.0.1:{next port}"   |
      | model_ref       | "demo"                           |
      | backend         | "cpu"                            |
      | device          | 0                                |
      | state           | "idle"                           |
      | pid             | {worker pid}                     |
      | slots_total     | 2                                |
      | slots_available | 2                                |
      | vram_bytes      | 0                                |
    And its record in run/ tells its process by pid, start time and boot

  @WK-2 @WK-4 @WK-5 @WK-6 @real
  Scenario: A worker tells how far its model is loaded, and calls when it is ready
    Given somebody waits for the ready call of a worker
    When a worker is started by hand, with the demo model and 3 slots
    Then asked whether it is ready, the worker first answers:
      """
      {"ready":false,"state":"loading","model_loaded":false,"progress_url":"/v1/loading/progress"}
      """
    And what its progress_url streams ends with:
      """
      {"type":"progress","stage":"loading_to_ram","layers_loaded":6,"layers_total":6,"vram_mb":0}
      {"stage":"ready"}
      [DONE]
      """
    And asked whether it is ready, the worker then answers:
      """
      {"ready":true,"state":"idle","model_loaded":true}
      """
    And the ready call comes, signed with the worker's key, and says just:
      | worker_id   | "w-by-hand"            |
      | url         | "{worker url}"         |
      | model_ref   | "file://{demo model}"  |
      | backend     | "cpu"                  |
      | device      | 0                      |
      | vram_bytes  | 0                      |
      | slots_total | 3                      |

  @EH-012a @EH-012c @EH-016a @LIFE-6 @real
  Scenario: A worker that does not come up is told of with the reason, and nothing of it is left
    Given the setting RBEE_TIMEOUTS_WORKER_START is "8s"
    And the setting RBEE_TIMEOUTS_MODEL_LOAD is "3s"
    And a hive runs in the foreground, with workers that are not rbee's own
    Then these workers, all asked for at once, do not come up:
      | worker_type     | status | code                    | message                                                                                            |
      | missing-worker  | 404    | WORKER_BINARY_NOT_FOUND | Worker binary not found: missing-worker                                                            |
      | crashing-worker | 502    | WORKER_START_FAILED     | Worker startup failed: exit code 3\n  loading the weights\n  the weights make no sense             |
      | deaf-worker     | 504    | WORKER_START_TIMEOUT    | Worker did not report within 8 s                                                                   |
      | stuck-worker    | 504    | MODEL_LOAD_TIMEOUT      | Model loading timeout after 3 s (stuck at 28/32 layers)                                            |
    And the hive lists no worker
    And no process of a worker runs any more
    And nothing of a worker is left in run/
