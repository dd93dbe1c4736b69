Feature: SSH preflight
  Before anything is asked of a node five checks are made, in order and each of them told: the connection, the authentication, a
  command, the latency, rbee's own binary. The first that fails ends it.

  @PF-1 @PF-2 @PF-3 @PF-4 @real
  Scenario: All checks pass
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 0
    And stderr tells, in this order:
      | queen-rbee | Connecting to {host}:{port} by SSH               |
      | queen-rbee | Connected to {host}:{port}                       |
      | queen-rbee | Authenticated as {user}                          |
      | queen-rbee | Commands run there                               |
      | queen-rbee | Round trip                                       |
      | queen-rbee | Found rbee-hive 0.1.0 at {install path}/dist/bin |
      | queen-rbee | Hive 0.1.0 was started                           |
      | queen-rbee | Hive 0.1.0 is well: llm-worker-rbee              |
    And stderr tells this once: "Connecting to"
    And stdout contains, in this order:
      | workstation  ready         |
      | ssh        round trip      |
      | rbee       0.1.0 at        |
      | hive       0.1.0, alive    |
      | workers    llm-worker-rbee |
      | backends   cpu             |
    And nothing of rbee is running

  @PF-1 @real
  Scenario: The reports are one JSON document for scripts
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    Then each of these ends with its exit code and prints JSON alone on stdout, one document or lines:
      | exit | prints               | command                                          |
      | 0    | a document with ssh  | rbee setup preflight --node workstation --json   |
      | 0    | a document with hive | rbee setup preflight --node localhost --json     |
    And nothing of rbee is running

  @EH-001a @real
  Scenario: A machine that does not answer
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    And a port where nobody ever answers
    And the node's port is {silent port} from now on
    And the setting RBEE_TIMEOUTS_SSH_CONNECT is "400ms"
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 1
    And stderr contains "SSH connection failed after 3 attempts: 127.0.0.1:{silent port}, timeout 0.4 s"
    And stderr tells this never: "Connected to"
    And stdout is empty
    And nothing was ever started on the machine
    And nothing of rbee is running

  @EH-001b @real
  Scenario: A key that the machine does not know any more
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    And the machine knows another key only from now on
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 1
    And stderr tells, in this order:
      | queen-rbee | Connected to {host}:{port} |
      | queen-rbee | SSH authentication failed  |
    And stderr contains "chmod 600"
    And stderr tells this never: "Authenticated as"
    And stdout is empty
    And nothing was ever started on the machine
    And nothing of rbee is running

  @PF-3 @real
  Scenario: A slow network is a warning
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    And another way to the machine, 60 ms long
    And the node's port is {other port} from now on
    When I run `rbee setup update-node --name workstation --accept-host-key {fingerprint}`
    Then the exit code is 0
    And stderr matches "Round trip \d{3} ms: slow, over 100 ms"
    And nothing of rbee is running

  @PF-4 @real
  Scenario: No rbee where the node's record says that it is
    Given a machine with sshd and without rbee
    And it is the node "workstation"
    When I run `rbee setup preflight --node workstation`
    Then the exit code is 1
    And stderr tells, in this order:
      | queen-rbee | Round trip                                                       |
      | queen-rbee | Failed to start rbee-hive: command not found on workstation      |
    And stderr contains "{install path}/dist/bin/rbee-hive.js, rbee-hive"
    And stderr contains "rbee setup install --node workstation"

  @PF-5 @real
  Scenario: The first failure ends the checks, and what passed was told
    Given a machine with sshd, whose commands all fail
    When I add it as node "workstation"
    Then the exit code is 1
    And stderr tells, in this order:
      | queen-rbee | Connected to {host}:{port}                                                 |
      | queen-rbee | Authenticated as {user}                                                    |
      | queen-rbee | workstation: command failed with exit code 1: This account is not available. |
    And stderr tells this never: "Commands run there"
    And stderr tells this never: "Round trip"
    And the registry is empty
    And nothing of rbee is running

  @PF-5
  Scenario: A node that nobody added
    When I run `rbee setup preflight --node nowhere`
    Then the exit code is 1
    And stderr contains "Node 'nowhere' not found in rbee-hive registry"
