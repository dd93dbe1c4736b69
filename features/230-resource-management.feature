Feature: What a node has, and who gets it
  Room that changes while it is looked at, devices that are too hot or in pieces, and a network that others need as well.

  @Gap-R1 @real
  Scenario: Where no device is named, the one with the most free VRAM is taken
    Given nvidia-smi tells of these GPUs:
      | index | memory.free | temperature.gpu |
      | 0     | 4000        | 40              |
      | 1     | 9000        | 40              |
      | 2     | 16000       | 85              |
      | 3     | 7000        | 40              |
    When I run `rbee plan --backend cuda`
    Then the exit code is 0
    And stdout contains "would start on cuda:1"
    And no worker was ever started

  @Gap-R1
  Scenario: What one load was promised, another is not
    Given a node with these GPUs:
      | vram_free_mb |
      | 8192         |
      | 6000         |
    And a model of 4000 MB in its catalog
    When 4 workers for the model are asked for on cuda at once
    Then 3 of them have room: 2 on cuda:0 and 1 on cuda:1
    And the others are refused: "Insufficient VRAM: need 4000 MB, have 2000 MB. GPU FAIL FAST! NO CPU FALLBACK!"

  @Gap-R2
  Scenario: RAM that is gone between the check and the start is noticed
    Given a node with 8000 MB of RAM available
    And a model of 5000 MB in its catalog
    When a worker for the model is asked for on cpu, and the RAM drops to 4000 MB once it was looked at
    Then it is refused: "Insufficient RAM: need 6000 MB, have 4000 MB. RAM decreased during preflight"
    And it was told "Room: 6000 MB RAM needed, 8000 MB available"

  @Gap-R3 @real
  Scenario: A GPU that is too hot is given no work
    Given nvidia-smi tells of these GPUs:
      | index | memory.free | temperature.gpu |
      | 0     | 8000        | 85              |
      | 1     | 8000        | 79              |
    When I run `rbee infer --prompt "Once upon a time" --backend cuda --device 0`
    Then the exit code is 1
    And stderr contains "GPU temperature: 85 °C (max: 80 °C)"
    And stderr contains "Wait until the device has cooled down, or name another: --device N"
    And stdout is empty
    And no worker was ever started
    When I run `rbee plan --backend cuda`
    Then stdout contains "would start on cuda:1"

  @Gap-R4 @real
  Scenario: A CPU worker that is to be pinned keeps to the less busy cores
    Given a hive runs in the foreground
    When the hive is asked for a worker:
      | model   | "demo" |
      | pin     | true   |
      | threads | 1      |
    Then the process of the worker may run on one core alone, the one that the hive told of
    When the hive is asked for a worker:
      | model | "demo" |
      | pin   | true   |
    Then the process of the worker may run on just the cores that the hive told of, with a thread for each

  @Gap-R5
  Scenario: VRAM that is free in pieces only
    Given a node with these GPUs:
      | vram_free_mb | vram_largest_block_mb |
      | 8000         | 3000                  |
    And a model of 5000 MB in its catalog
    When a worker for the model is asked for on cuda
    Then it is refused: "VRAM is fragmented: largest free block 3000 MB, need 55… MB"
    And the suggestion is "Restart the workers of the node."

  @Gap-R6 @real
  Scenario: A download leaves others their share of the network
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model, made 20 MB long |
    And the setting RBEE_MODELS_MAX_MBPS is "5"
    When I run `rbee models download --model hf:someone/stories`
    Then the exit code is 0
    And the hub has sent the file just once
    And the download took 3 seconds at least
    And the models' folder holds just these files:
      | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 20 MB long |

  @Gap-R7
  Scenario Outline: A disk that is busy <percent> % of the time <what>
    Given a node whose disk is busy <percent> % of the time
    And a model of 5000 MB in its catalog
    When a worker for the model is asked for on cpu
    Then a worker for the model runs on cpu:0
    And it was <told> "The disk is busy (<percent> % of the time): loading will take longer"

    Examples:
      | percent | what                             | told       |
      | 90      | is told of, and the load goes on | told       |
      | 20      | is not worth a word              | never told |
