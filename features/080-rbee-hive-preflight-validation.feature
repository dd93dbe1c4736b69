Feature: Hive preflight
  A hive that answers is looked at before it is asked to do anything: its version, its worker binaries, its backends, its room.

  @HP-1 @real
  Scenario: The hive of this machine is well
    When I run `rbee setup preflight --node localhost`
    Then the exit code is 0
    And stderr tells, in this order:
      | queen-rbee | Hive 0.1.0 was started              |
      | queen-rbee | Hive 0.1.0 is well: llm-worker-rbee |
      | queen-rbee | Backends cpu                        |
    And stderr tells this never: "by SSH"
    And stdout contains, in this order:
      | localhost  ready        |
      | hive       0.1.0, alive |
    And nothing of rbee is running

  @HP-2
  Scenario: A hive of our own version is not worth a word, one of another that goes with ours gets a line
    Given a machine with sshd and a stand-in for its hive
    And it is the node "workstation"
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 0
    And stderr tells this never: "another version"
    Given the hive's version is "0.1.9"
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 0
    And stderr contains "Hive 0.1.9 is another version than ours, 0.1.0: they go together"
    And stdout contains "hive       0.1.9, alive"

  @HP-2
  Scenario Outline: A hive of version <version> does not go with ours
    Given a machine with sshd and a stand-in for its hive
    And it is the node "workstation"
    And the hive's version is "<version>"
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 1
    And stderr contains "rbee-hive version incompatible: need >=0.1.0 <0.2.0, have <version>"
    And stderr contains "rbee setup install --node workstation"
    And stdout is empty

    Examples:
      | version |
      | 0.0.9   |
      | 0.2.0   |
      | 1.0.0   |
      | latest  |

  @HP-3
  Scenario: Backends and their devices are listed
    Given a machine with sshd and a stand-in for its hive
    And it is the node "workstation"
    And the hive has 2 CUDA devices
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 0
    And stderr contains "Backends cpu, cuda"
    And stdout contains "backends   cpu, cuda 2"

  @HP-4
  Scenario: Memory and disk are read
    Given a machine with sshd and a stand-in for its hive
    And it is the node "workstation"
    And the hive has 12345 MB of RAM and 67890 MB of disk free
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 0
    And stderr contains "12345 MB RAM and 67890 MB disk free"
    And stdout contains "RAM        12345 of 24690 MB free"
    And stdout contains "disk       67890 MB free"

  @EH-019a
  Scenario: A hive without the worker binary serves nobody
    Given a machine with sshd and a stand-in for its hive
    And it is the node "workstation"
    And the hive has no worker binary
    When I run `rbee infer --node workstation --prompt "Once upon a time"`
    Then the exit code is 1
    And stderr contains "Worker binary not found: llm-worker-rbee"
    And the hive was never asked for a worker
    And stdout is empty
    And nothing of rbee is running

  @EH-019a @real
  Scenario: A worker that is missing is built from the node's own sources, and then spawned
    Given a machine with sshd and rbee installed
    And a git repository with a package, whose build writes a worker
    And it is the node "workstation"
    When I run `rbee setup update-node --name workstation --git-repo {git repository}`
    And I run `rbee workers spawn --node workstation --worker-type story-worker`
    Then the exit code is 0
    And stderr tells, in this order:
      | queen-rbee | No story-worker there yet: the hive has to build it first           |
      | rbee-hive  | Building story-worker                                               |
      | rbee-hive  | Built, verified and registered story-worker [], version 1.2.3       |
      | rbee-hive  | is ready                                                            |
    And stdout contains "idle"
    When I run `rbee workers spawn --node workstation --worker-type story-worker`
    Then the exit code is 0
    And the build ran once
    When I run `rbee queen stop`
    Then nothing of rbee is running
