Feature: Commands
  Data on stdout, everything else on stderr, and an exit code that scripts can rely on.

  @CLI-5 @real
  Scenario: An answer with nothing but a prompt
    When I run `rbee infer --prompt "Once upon a time"`
    Then the exit code is 0
    And stdout holds a text of at least 20 characters
    And stderr tells, in this order:
      | rbee-keeper | No queen is running: starting one for this command |
      | queen-rbee  | on localhost is yours                              |
      | tokenizer   | Tokenized prompt                                   |
      | rbee-keeper | tokens in                                          |
      | rbee-keeper | Everything is stopped                              |
    And nothing of rbee is running

  @CLI-5 @real
  Scenario: The prompt comes from standard input, and stderr is kept for errors
    When I run `rbee infer --prompt - --max-tokens 8 --quiet` with this on standard input:
      """
      Once upon a time
      """
    Then the exit code is 0
    And stdout holds a text of at least 5 characters
    And stderr is empty

  @CLI-11 @real
  Scenario: Every command that prints data prints JSON when asked to
    Given a machine with sshd and rbee installed
    Then each of these ends with its exit code and prints JSON alone on stdout, one document or lines:
      | exit | prints                 | command                                                       |
      | 1    | a document with alive  | rbee queen status --json                                      |
      | 0    | a document with url    | rbee queen start --json                                       |
      | 0    | a document with alive  | rbee queen status --json                                      |
      | 0    | a document with ssh_host | rbee setup add-node --name workstation --ssh-host {host} --ssh-port {port} --ssh-user {user} --ssh-key {key} --git-repo https://example.org/rbee.git --install-path {install path} --json |
      | 0    | a document with nodes  | rbee setup list-nodes --json                                  |
      | 0    | a document with worker | rbee workers spawn --json                                     |
      | 0    | a document with workers | rbee workers list --json                                     |
      | 0    | a document with hive   | rbee workers health --json                                    |
      | 0    | a document with nodes  | rbee status --json                                            |
      | 0    | lines, the last an end | rbee infer --prompt "Once upon a time" --max-tokens 4 --json  |
      | 1    | lines, the last an error | rbee infer --prompt "Once upon a time" --backend metal --json |
      | 0    | a document with removed | rbee setup remove-node --name workstation --json             |
      | 0    | a document with stopped | rbee queen stop --json                                       |
    And nothing of rbee is running

  @CLI-12
  Scenario Outline: Wrong usage: <what>
    When I run `<command>`
    Then the exit code is 2
    And stderr contains "<words>"
    And stdout is empty
    And no queen was ever started

    Examples:
      | what                    | command                               | words              |
      | a flag that is missing  | rbee infer                            | --prompt           |
      | a flag that is unknown  | rbee infer --prompt x --frobnicate    | --frobnicate       |
      | a command that is none  | rbee frobnicate                       | Invalid subcommand |
      | a number that is none   | rbee infer --prompt x --max-tokens 1k | 1k                 |
      | a flag without a value  | rbee setup remove-node --name         | --name             |

  @CLI-13 @real
  Scenario: stdout holds the tokens and nothing else
    Given a queen is running
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 60 --seed 7`
    And I run `rbee infer --prompt "Once upon a time" --max-tokens 60 --seed 7 --json`
    Then the first stdout is the joined tokens of the second and a line end

  @EH-009b @real
  Scenario: CUDA that is not there is refused, and never replaced by the CPU
    Given there is no NVIDIA driver on this machine
    When I run `rbee infer --prompt "Once upon a time" --backend cuda`
    Then the exit code is 1
    And stderr contains "CUDA backend not available: nvidia-smi is not on this node. GPU FAIL FAST! NO CPU FALLBACK!"
    And stderr contains "--backend cpu"
    And stdout is empty
    And it was refused less than 5 seconds after the hive was there
    And no worker was ever started
    And nothing of rbee is running

  Scenario Outline: What cannot be right is refused before anything is started: <flags>
    When I run `rbee infer --prompt "Once upon a time" <flags>`
    Then the exit code is 1
    And stderr contains "<words>"
    And stderr contains "<example>"
    And stdout is empty
    And no queen was ever started

    @EH-015a
    Examples: Model references
      | flags                 | words                                                                       | example          |
      | --model tinyllama     | Invalid model reference format: expected hf:org/repo or file:///path        | hf:TheBloke/     |
      | --model hf:x          | Invalid model reference format: expected hf:org/repo                        | hf:TheBloke/     |
      | --model file://x.gguf | Invalid model reference format: file:// needs an absolute path: file:///path | file:///models/ |

    @EH-015b
    Examples: Backends
      | flags          | words                                      | example                   |
      | --backend gpu  | Invalid backend. Valid: [cpu, cuda, metal] | --backend cuda --device 0 |
      | --backend CUDA | Invalid backend. Valid: [cpu, cuda, metal] | --backend cuda --device 0 |

    @EH-015c
    Examples: Devices
      | flags       | words                   | example             |
      | --device -1 | Invalid request: device | non-negative number |

  @EH-015c @real
  Scenario: A device that the node does not have is refused
    When I run `rbee infer --prompt "Once upon a time" --device 5`
    Then the exit code is 1
    And stderr contains "Device 5 not available. Available: [0]"
    And stderr contains "--device 0"
    And stdout is empty
    And no worker was ever started
    And nothing of rbee is running

  Rule: The workers of the pool

    @CLI-6 @real
    Scenario: The workers that there are, on all machines or on one
      Given a queen is running
      And a worker was started with "rbee workers spawn --slots 2"
      When I run `rbee workers list`
      Then the exit code is 0
      And stdout contains, in this order:
        | {worker}  idle       |
        | node       localhost |
        | model      demo      |
        | device     cpu:0     |
        | slots      2 of 2 free |
      When I run `rbee workers list --node localhost --json`
      Then the exit code is 0
      And stdout contains "{worker}"
      When I run `rbee status`
      Then the exit code is 0
      And stdout contains, in this order:
        | queen-rbee                    |
        | localhost  reachable          |
        | hive 0.1.0 is well            |
        | 1: 1 idle                     |
        | {worker} idle, demo on cpu:0  |
        | MB free                       |

    @CLI-6
    Scenario Outline: Without a queen nothing is started to look at: <command>
      When I run `<command>`
      Then the exit code is <exit>
      And <stream> contains "<words>"
      And no queen was ever started

      Examples:
        | command                    | exit | stream | words               |
        | rbee workers list          | 0    | stdout | No queen is running |
        | rbee workers list --json   | 0    | stdout | {"workers":[]}      |
        | rbee status                | 1    | stdout | No queen is running |
        | rbee status --json         | 1    | stdout | {"queen":null,"nodes":[]} |
        | rbee workers health        | 1    | stderr | no queen is running |
        | rbee workers shutdown --id w-1 | 1 | stderr | no queen is running |

    @CLI-7 @real
    Scenario: How a machine's workers are
      Given a queen is running
      And a worker was started with "rbee workers spawn"
      When I run `rbee workers health --node localhost`
      Then the exit code is 0
      And stdout contains, in this order:
        | localhost  hive 0.1.0 is well |
        | workers    1: 1 idle          |
        | {worker}  idle                |
        | process                       |

    @CLI-7
    Scenario: A machine on which no hive runs gets none by being asked
      Given a queen is running
      When I run `rbee workers health --node localhost`
      Then the exit code is 1
      And stdout contains "localhost  no hive runs"
      And no worker runs any more

    @CLI-8 @real
    Scenario: A worker is stopped, and the others are not
      Given a queen is running
      And a worker was started with "rbee workers spawn"
      When I run `rbee workers shutdown --id {worker}`
      Then the exit code is 0
      And stderr contains "Worker {worker} on localhost is stopped"
      And no worker runs any more
      When I run `rbee workers list`
      Then stdout contains "No workers"
      When I run `rbee workers shutdown --id {worker}`
      Then the exit code is 1
      And stderr contains "Worker {worker} not found"
