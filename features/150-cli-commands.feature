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

  Rule: rbee in its place on this machine

    @CLI-1 @real
    Scenario: It is installed for one user, and runs from there
      When I run `rbee install`
      Then the exit code is 0
      And {folder}/.local/bin holds these, and nothing else:
        | rbee            | -> ../share/rbee/app/dist/bin/rbee.js            |
        | rbee-keeper     | -> ../share/rbee/app/dist/bin/rbee-keeper.js     |
        | queen-rbee      | -> ../share/rbee/app/dist/bin/queen-rbee.js      |
        | rbee-hive       | -> ../share/rbee/app/dist/bin/rbee-hive.js       |
        | llm-worker-rbee | -> ../share/rbee/app/dist/bin/llm-worker-rbee.js |
      And {folder}/.config/rbee holds these, and nothing else:
        | config.toml | 0600 |
      And {folder}/.config/rbee/config.toml sets nothing
      And {folder}/.local/share/rbee/systemd holds these, and nothing else:
        | rbee-hive.service  | 0644 |
        | rbee-queen.service | 0644 |
      And stdout contains, in this order:
        | # {folder}/.local/share/rbee/systemd/rbee-queen.service                 |
        | "{folder}/.local/share/rbee/app/dist/bin/rbee.js" queen serve           |
        | Environment="RBEE_HOME={folder}/rbee"                                   |
        | WantedBy=default.target                                                 |
        | # {folder}/.local/share/rbee/systemd/rbee-hive.service                  |
        | "{folder}/.local/share/rbee/app/dist/bin/rbee.js" hive serve            |
      And stderr contains "systemctl --user enable --now {folder}/.local/share/rbee/systemd/rbee-queen.service"
      And stderr contains "export PATH={folder}/.local/bin"
      When the rbee that I run is {folder}/.local/bin/rbee
      And I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
      Then the exit code is 0
      And stdout holds a text of at least 5 characters
      And nothing of rbee is running
      When I run `rbee install --json`
      Then the exit code is 0
      And stdout contains ""changed":false"
      Given {folder}/.local/bin/rbee-hive is removed
      And this is in the file {folder}/.local/bin/rbee-hive:
        """
        somebody else's
        """
      When I run `rbee install`
      Then the exit code is 1
      And stdout is empty
      And stderr contains "{folder}/.local/bin/rbee-hive is something that rbee did not put there"
      When I have no rights in {folder}/machine
      And I run `rbee install --system --root {folder}/machine`
      Then the exit code is 1
      And stderr contains "you may not write to {folder}/machine"
      And stderr contains "{folder}/.local/share/rbee/app/dist/bin/rbee.js install --system"

    @CLI-2 @real
    Scenario: It is installed for everybody, below the folder that is to be the root of a package
      When I run `rbee install --system --root {folder}/machine`
      Then the exit code is 0
      And {folder}/machine/usr/local/bin holds these, and nothing else:
        | rbee            | -> ../lib/rbee/app/dist/bin/rbee.js            |
        | rbee-keeper     | -> ../lib/rbee/app/dist/bin/rbee-keeper.js     |
        | queen-rbee      | -> ../lib/rbee/app/dist/bin/queen-rbee.js      |
        | rbee-hive       | -> ../lib/rbee/app/dist/bin/rbee-hive.js       |
        | llm-worker-rbee | -> ../lib/rbee/app/dist/bin/llm-worker-rbee.js |
      And {folder}/machine/etc/rbee holds these, and nothing else:
        | config.toml | 0644 |
      And {folder}/machine/etc/rbee/config.toml sets nothing
      And {folder}/machine/usr/local/lib/rbee holds these, and nothing else:
        | app     | 0755 |
        | systemd | 0755 |
      And stdout contains, in this order:
        | # /usr/local/lib/rbee/systemd/rbee-queen.service             |
        | "/usr/local/lib/rbee/app/dist/bin/rbee.js" queen serve       |
        | User=rbee                                                    |
        | Environment=RBEE_HOME=/var/lib/rbee                          |
        | StateDirectory=rbee                                          |
        | LoadCredential=rbee-token:/etc/rbee/token                    |
        | # /usr/local/lib/rbee/systemd/rbee-hive.service              |
      And stderr tells this once: "sudo useradd"
      And stderr contains "sudo systemctl enable --now /usr/local/lib/rbee/systemd/rbee-queen.service"
      And stderr tells this never: "{folder}/machine/"
      And each of these tells the version when it is called by its name:
        | {folder}/machine/usr/local/bin/rbee            |
        | {folder}/machine/usr/local/bin/rbee-keeper     |
        | {folder}/machine/usr/local/bin/queen-rbee      |
        | {folder}/machine/usr/local/bin/rbee-hive       |
        | {folder}/machine/usr/local/bin/llm-worker-rbee |

  Rule: Where settings come from

    @CLI-3
    Scenario: A flag over the environment, over the file that is named, over the user's
      Given this is in the file {folder}/.config/rbee/config.toml:
        """
        [queen]
        host = "127.0.0.11"
        """
      And this is in the file {folder}/named.toml:
        """
        [queen]
        host = "127.0.0.12"
        """
      When I run `rbee queen status --json`
      Then stdout contains "http://127.0.0.11:"
      Given the setting RBEE_CONFIG is "{folder}/named.toml"
      When I run `rbee queen status --json`
      Then stdout contains "http://127.0.0.12:"
      Given the setting RBEE_QUEEN_HOST is "127.0.0.13"
      When I run `rbee queen status --json`
      Then stdout contains "http://127.0.0.13:"
      When I start `rbee queen serve --host 127.0.0.14`
      Then it says "queen-rbee listens on 127.0.0.14:"
      When I press Ctrl+C
      Then the exit code is 0
      And nothing of rbee is running

    @CLI-3
    Scenario: The machine's file counts where the user has none
      Given this is in /etc/rbee/config.toml:
        """
        [queen]
        host = "127.0.0.15"
        """
      When I run `rbee queen status --json`
      Then stdout contains "http://127.0.0.15:"
      Given this is in the file {folder}/.config/rbee/config.toml:
        """
        [queen]
        port = 8080
        """
      When I run `rbee queen status --json`
      Then stdout contains "http://127.0.0.1:"

    @CLI-3
    Scenario: A file that is wrong stops everything, and says where
      Given this is in the file {folder}/.config/rbee/config.toml:
        """
        [timeouts]
        cancel = "soon"
        """
      When I run `rbee queen start`
      Then the exit code is 1
      And stderr contains "timeouts.cancel: "
      And no queen was ever started

    @CLI-4 @real
    Scenario: The configured rbee is used on a node, in the place of the one in its install path
      Given a machine with sshd and rbee installed
      And the file {folder}/opt/rbee-hive is a link to the rbee-hive that was built
      And this is in the file {folder}/.config/rbee/config.toml:
        """
        [remote]
        binary_path = "{folder}/opt/rbee-hive"
        """
      When I add it as node "workstation"
      Then the exit code is 0
      And stderr contains "Found rbee-hive 0.1.0 at {folder}/opt/rbee-hive"
      When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 4`
      Then the exit code is 0
      And stdout holds a text of at least 2 characters
      And nothing of rbee is running

  Rule: What this machine can compute on

    @CLI-10
    Scenario: Backends with their devices, and the two lines of the registry
      Given nvidia-smi tells of these GPUs:
        | name         | memory.free |
        | First of two | 20000       |
        | Other of two | 1000        |
      When I run `rbee hive detect`
      Then the exit code is 0
      And stdout contains, in this order:
        | cpu    1 device                                |
        | cuda   2 devices                               |
        | 0: First of two, 20000 of 24576 MB free        |
        | 1: Other of two, 1000 of 24576 MB free         |
        | backends: ["cpu","cuda"]                       |
        | devices: {"cpu":1,"cuda":2}                    |
      When I run `rbee hive detect --json`
      Then stdout contains "{"backends":["cpu","cuda"],"devices":{"cpu":1,"cuda":2}}"
      Given an nvidia-smi that has no driver
      When I run `rbee hive detect`
      Then the exit code is 0
      And stdout contains, in this order:
        | cpu    1 device            |
        | cuda   not available       |
        | backends: ["cpu"]          |
        | devices: {"cpu":1}         |

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

  Rule: Logs

    @CLI-9 @real
    Scenario: Logs are followed until Ctrl+C, whatever runs or does not
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      When I run `rbee logs --node workstation`
      Then the exit code is 1
      And stderr contains "No hive has run on workstation yet"
      And nothing of rbee is running
      Given a queen is running
      And the hive of the machine has logged "listening", and a worker w-7 "loading" and "ready"
      When I run `rbee logs --node workstation --worker w-8`
      Then the exit code is 1
      And stderr contains "No log of a worker w-8 on workstation"
      And stderr contains "w-7"
      When I run `rbee logs --node workstation --worker w-7 --lines 1 --json`
      Then the exit code is 0
      And stdout contains "ready"
      And stdout does not contain "loading"
      When I start `rbee logs --node workstation --follow`
      Then it prints "info  listening"
      When the hive of the machine logs "still listening"
      Then it prints "info  still listening"
      And a command follows the log on the machine
      When I press Ctrl+C
      Then nobody follows the log on the machine any more within 3 seconds
      And the command ends with exit code 130
      And nothing was ever started on the machine but what showed its logs

    @CLI-9 @real
    Scenario: This machine's own logs are shown without anything running
      Given the hive has logged "listening", and a worker w-7 "loading" and "ready"
      When I run `rbee logs --json`
      Then the exit code is 0
      And stdout contains "listening"
      When I start `rbee logs --worker w-7 --follow`
      Then it prints "info  ready"
      When I press Ctrl+C
      Then the command ends with exit code 130
      And nothing of rbee is running
