Feature: Is there room for a worker?
  Looked at before any worker is started: the backend, the device, its memory, the RAM, the disk. Who asked for a GPU that
  cannot be had is told so, and is never given the CPU instead.

  Rule: RAM

    @RES-1
    Scenario: A model fits where its size and a fifth of it are available
      Given a node with 8000 MB of RAM available
      And a model of 5000 MB in its catalog
      When a worker for the model is asked for on cpu
      Then a worker for the model runs on cpu:0
      And it was told "Room: 6000 MB RAM needed, 8000 MB available"

    @EH-004a
    Scenario Outline: <available> MB of RAM are <verdict> for a model that needs 6000
      Given a node with <available> MB of RAM available
      And a model of 5000 MB in its catalog
      When a worker for the model is asked for on cpu
      Then <outcome>

      Examples:
        | available | verdict    | outcome                                                       |
        | 6000      | enough     | a worker for the model runs on cpu:0                          |
        | 5999      | too little | it is refused: "Insufficient RAM: need 6000 MB, have 5999 MB" |
        | 4000      | too little | it is refused: "Insufficient RAM: need 6000 MB, have 4000 MB" |

    @EH-004a @real
    Scenario: A model that is larger than the RAM is refused before any worker is started
      Given a model file of 4000000 MB
      When I run `rbee infer --model {model file} --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr matches "Insufficient RAM: need 4800000 MB, have \d+ MB"
      And stderr contains "Close applications on the node, or use a smaller quantization (Q4_K_M instead of Q8_0)."
      And stdout is empty
      And no worker was ever started
      And nothing of rbee is running

    @EH-004a @real
    Scenario: A context that is larger than the RAM is refused with what it would take
      Given this machine has less than 150 GB of RAM
      When I run `rbee infer --prompt "Once upon a time" --ctx-size 1048576 --slots 64`
      Then the exit code is 1
      And stderr matches "Insufficient RAM: need 18\d{4} MB, have \d+ MB"
      And stdout is empty
      And no worker was ever started

    @EH-004b
    Scenario: A worker that the kernel kills for want of memory while it loads
      Given a node with 8000 MB of RAM available
      And a model of 5000 MB in its catalog
      When a worker for the model is asked for on cpu, and the kernel kills it for want of memory
      Then it is refused: "Out of memory during model loading"
      And the suggestion is "Free RAM on the node, or use a smaller quantization."

  Rule: A GPU that was asked for, or nothing

    @RES-2 @real
    Scenario: A GPU with room for it would be taken
      Given nvidia-smi tells of these GPUs:
        | index | memory.free |
        | 0     | 8000        |
        | 1     | 8000        |
      When I run `rbee plan --backend cuda --device 1`
      Then the exit code is 0
      And stdout contains, in this order:
        | localhost  fits                        |
        | nothing: it is on the node             |
        | cuda:0 has 8000 MB, cuda:1 has 8000 MB |
        | would start on cuda:1                  |
      And stdout matches "VRAM\s+\d+ MB needed"
      And no worker was ever started

    @EH-005a @real
    Scenario: A GPU without the VRAM fails at once, and the CPU is not taken instead
      Given nvidia-smi tells of these GPUs:
        | index | memory.free |
        | 0     | 100         |
      When I run `rbee infer --prompt "Once upon a time" --backend cuda`
      Then the exit code is 1
      And stderr matches "Insufficient VRAM: need \d+ MB, have 100 MB\. GPU FAIL FAST! NO CPU FALLBACK!"
      And stderr contains "use a smaller quantized model (Q4_K_M instead of Q8_0)"
      And stderr contains "--backend cpu"
      And stdout is empty
      And it was refused less than 5 seconds after the hive was there
      And no worker was ever started
      And nothing of rbee is running

    @EH-009a @real
    Scenario Outline: Metal is no backend of a Linux machine with <what>
      Given <what> on this machine
      When I run `rbee infer --prompt "Once upon a time" --backend metal`
      Then the exit code is 1
      And stderr contains "Backend not available: metal. GPU FAIL FAST! NO CPU FALLBACK!"
      And stderr contains "<suggestion>"
      And stdout is empty
      And no worker was ever started

      Examples:
        | what            | suggestion                                             |
        | no NVIDIA GPU   | Available: [cpu]. Try: --backend cpu                   |
        | two NVIDIA GPUs | Available: [cpu, cuda]. Try: --backend cuda --device 0 |

    @EH-009b @real
    Scenario Outline: CUDA where nvidia-smi <what> is refused with the driver's own words
      Given an nvidia-smi that <what>
      When I run `rbee infer --prompt "Once upon a time" --backend cuda`
      Then the exit code is 1
      And stderr contains "CUDA backend not available: <words>. GPU FAIL FAST! NO CPU FALLBACK!"
      And stderr contains "Install the NVIDIA driver and CUDA on the node, or choose the CPU yourself: --backend cpu"
      And stdout is empty
      And no worker was ever started
      And nothing of rbee is running

      Examples:
        | what          | words                                                                                                                                                      |
        | is not there  | nvidia-smi is not on this node                                                                                                                             |
        | has no driver | nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running |
        | never answers | nvidia-smi: no end within 4s                                                                                                                               |
        | lists no GPU  | nvidia-smi lists no device                                                                                                                                 |

    @EH-015c @real
    Scenario: A device that is out of range is refused with those that there are
      Given nvidia-smi tells of these GPUs:
        | index | memory.free |
        | 0     | 8000        |
        | 1     | 8000        |
      When I run `rbee infer --prompt "Once upon a time" --backend cuda --device 5`
      Then the exit code is 1
      And stderr contains "Device 5 not available. Available: [0, 1]"
      And stderr contains "--device 0"
      And stdout is empty
      And no worker was ever started

  Rule: Disk

    @EH-006a
    Scenario: What the disk has no room for is not begun
      Given a node with 1000 MB of disk free
      And a hub that has a model of 5000 MB
      When a worker for the model is asked for on cpu
      Then it is refused: "Insufficient disk space: need 5250 MB, have 1000 MB"
      And the suggestion is "Remove a model that is not needed: rbee models list, then rbee models rm REF"
      And nothing of the model was fetched

    @EH-006a @real
    Scenario: A disk that is too small for a model
      Given a disk of 12 MB for the models
      And a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 20 MB long |
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 1
      And stderr matches "Insufficient disk space: need 21 MB, have 1\d MB"
      And stderr contains "rbee models list, then rbee models rm REF"
      And the hub has sent no byte of a file
      And the disk for the models is empty
      And nothing of rbee is running

    @EH-006b @real
    Scenario: A disk that fills up in the middle of a download
      Given a disk of 24 MB for the models
      And a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 20 MB long |
      And the hub falls silent at 10 % of the file, once
      And a queen is running
      When I start `rbee models download --model hf:someone/stories`
      And all but the beginning of the file is there
      And somebody else fills the disk
      And the hub cuts what it has under way
      Then the command ends with exit code 1
      And stderr matches "Disk full during download \(partial file removed\): \d+ MB were still to come"
      And stderr contains "rbee models list, rbee models rm REF"
      And the disk for the models is empty but for what fills it
      And the catalog is empty
      And the hive on localhost is alive
      When the disk is free again
      And I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And the catalog lists "hf:someone/stories"

  Rule: The plan tells before

    @real
    Scenario: A model that fits, and is fetched first
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 20 MB long |
      When I run `rbee plan --model hf:someone/stories`
      Then the exit code is 0
      And stdout contains, in this order:
        | localhost  fits             |
        | hf:someone/stories, 20.0 MB |
        | 20.0 MB;                    |
        | 23 MB needed                |
        | would start on cpu:0        |
      And the hub has sent no byte of a file
      And no worker was ever started
      And the catalog is empty
      And nothing of rbee is running

    @real
    Scenario: A model that does not fit
      Given a model file of 4000000 MB
      When I run `rbee plan --model {model file}`
      Then the exit code is 1
      And stdout contains, in this order:
        | localhost  would fail             |
        | 4800000 MB needed                 |
        | would not start on cpu            |
        | Insufficient RAM: need 4800000 MB |
      And stderr contains "Insufficient RAM: need 4800000 MB"
      And no worker was ever started

  Rule: The decision is the rule, whatever the figures

    @RES-3
    Scenario: For all sizes the decision equals the rule, and a GPU request never becomes a CPU placement
      When 500 models of any size are asked for on machines with any RAM and any GPUs
      Then each is placed just where the rule has room for it
      And none that was asked for on a GPU was placed on the CPU
