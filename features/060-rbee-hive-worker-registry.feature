Feature: The hive and its workers, as the queen sees them
  A queen talks to a node's hive before it asks it for anything. What answers otherwise than a hive of a version that goes with
  ours is named for what it is.

  Rule: A hive says what it is and has

    @HR-1 @real
    Scenario: A hive tells that it is alive
      Given a queen is running
      When I run `rbee setup preflight --node localhost`
      Then the exit code is 0
      And GET /v1/health of the hive on localhost is answered 200 and:
        """
        {"status":"alive","version":"0.1.0","api_version":"v1"}
        """

    @HR-2 @real
    Scenario: A hive that was just started has no workers
      Given a queen is running
      When I run `rbee setup preflight --node localhost`
      Then GET /v1/workers/list of the hive on localhost is answered 200 and:
        """
        {"workers":[]}
        """

  Rule: A worker that fits is used again, and no other

    @HR-3 @real
    Scenario: An idle worker with the model is inferred with at once
      Given a queen is running
      When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
      And I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
      Then the exit code is 0
      And stderr contains "Reusing idle worker w-"
      And nothing was told of phases 4 to 11

    @HR-4 @real
    Scenario: A busy worker with the model is asked again until it has a free slot
      Given a queen is running
      And a model whose stories do not end
      When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
      And the first tokens are there
      And I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4 --ctx-size 4096`
      And it says "All slots are busy, asking again"
      And I press Ctrl+C in the first command
      Then the command ends with exit code 0
      And stderr contains "Reusing busy worker w-"
      And stderr contains "4 tokens in"

    @HR-6
    Scenario Outline: A worker with <what> is no match
      Given a machine with sshd and a stand-in for its hive
      And it is the node "workstation"
      And the hive has this worker:
        | model   | <model>   |
        | backend | <backend> |
        | device  | <device>  |
        | state   | <state>   |
      When I run `rbee infer --node workstation --prompt "Once upon a time" --backend cpu --device 0`
      Then the exit code is 1
      And stderr contains "No worker with demo on workstation yet"
      And the hive was asked for a worker
      And stdout is empty
      And nothing of rbee is running

      Examples:
        | what             | model                  | backend | device | state    |
        | another model    | file:///m/another.gguf | cpu     | 0      | idle     |
        | another backend  | demo                   | cuda    | 0      | idle     |
        | another device   | demo                   | cpu     | 1      | idle     |
        | no model yet     | demo                   | cpu     | 0      | loading  |
        | its end in sight | demo                   | cpu     | 0      | draining |

  Rule: What does not answer like a hive is named for what it is

    @EH-002a
    Scenario: A hive that does not answer is asked three times
      Given a machine with sshd and a stand-in for its hive
      And it is the node "workstation"
      And the hive never answers
      And the setting RBEE_TIMEOUTS_HTTP_TOTAL is "1500ms"
      When I run `rbee infer --node workstation --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr contains "Cannot connect to rbee-hive on workstation after 3 attempts: no answer within 450ms"
      And the hive was asked 3 times for its health
      And stdout is empty
      And nothing of rbee is running

    @EH-002b
    Scenario Outline: A hive whose answer is no JSON: the position is named
      Given a machine with sshd and a stand-in for its hive
      And it is the node "workstation"
      And the hive answers `<answer>`
      When I run `rbee infer --node workstation --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr contains "Invalid response from rbee-hive: expected JSON, parse error at position <position>"
      And stdout is empty
      And nothing of rbee is running

      Examples:
        | answer                             | position |
        | {"status":"alive","version":0.1.0} | 31       |
        | {"status":"alive",                 | 18       |
        | <html>502 Bad Gateway</html>       | 0        |

    @HR-5
    Scenario: A hive of a version that does not go with ours
      Given a machine with sshd and a stand-in for its hive
      And it is the node "workstation"
      And the hive's version is "0.0.9"
      When I run `rbee infer --node workstation --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr contains "rbee-hive version incompatible: need >=0.1.0 <0.2.0, have 0.0.9"
      And stderr contains "rbee setup install --node workstation"
      And the hive was never asked for a worker
      And stdout is empty
      And nothing of rbee is running
