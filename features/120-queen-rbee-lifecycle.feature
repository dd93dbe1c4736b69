Feature: Life of the queen
  A queen that is running is used and left alone. Where there is none, one is started for the command, and nothing stays.

  @QN-1 @real
  Scenario: Queen, hive and worker survive the command that used them
    When I run `rbee queen start`
    And I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
    Then the exit code is 0
    And a queen, a hive and a worker are running on localhost
    When I run `rbee queen status`
    Then the exit code is 0
    And stdout contains "is alive at http://127.0.0.1:"
    When I run `rbee queen stop`
    Then the exit code is 0
    And all of them are gone
    And nothing of rbee is running

  @QN-1 @real
  Scenario: What a command is told to leave running stays
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 8 --keep-alive`
    Then the exit code is 0
    And a queen, a hive and a worker are running on localhost
    When I run `rbee queen stop`
    Then all of them are gone
    And nothing of rbee is running

  @QN-2 @real
  Scenario: After a command without a queen nothing is left on this machine
    Given a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 1500 --ctx-size 4096`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    Then the command ends with exit code 0
    And taking it all down took less than 10 seconds
    And all of them are gone
    And nothing of rbee is running
    And no key, address or record of a process is left behind

  @QN-2 @real
  Scenario: After a command without a queen nothing is left on the node either
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    And a model whose stories do not end
    When I start `rbee infer --node workstation --model {endless model} --prompt "Once upon a time" --max-tokens 1500 --ctx-size 4096`
    And the first tokens are there
    And a queen runs on localhost, a hive and a worker on the machine
    Then the command ends with exit code 0
    And taking it all down took less than 10 seconds
    And all of them are gone
    And nothing of rbee is running
    And no key, address or record of a process is left behind

  @QN-3 @real
  Scenario: The second command finds the worker warm
    Given a queen is running
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
    And a queen, a hive and a worker are running on localhost
    And I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
    Then the exit code is 0
    And stderr tells, in this order:
      | rbee-keeper | Using the queen at http://127.0.0.1: |
      | queen-rbee  | Reusing idle worker w-               |
      | queen-rbee  | on localhost is yours                |
      | tokenizer   | Tokenized prompt                     |
    And nothing was told of phases 4 to 11
    And all of them are still running, and nothing else

  @QN-3 @real
  Scenario: A hive that died is noticed, and the next command starts another
    Given a queen is running
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
    And a queen, a hive and a worker are running on localhost
    And the hive and the worker are killed with SIGKILL
    Then the queen notices that the hive is gone
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
    Then the exit code is 0
    And stderr tells, in this order:
      | queen-rbee | Starting the hive on localhost |
      | rbee-hive  | Starting worker w-             |
      | queen-rbee | on localhost is yours          |

  @QN-4 @real
  Scenario: A keeper that is killed takes its pool with it
    Given a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And the command is killed with SIGKILL
    Then all of them are gone within 10 seconds
    And nothing of rbee is running

  @QN-4 @real
  Scenario: A keeper that is killed takes its pool on the node with it
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    And a model whose stories do not end
    When I start `rbee infer --node workstation --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And a queen runs on localhost, a hive and a worker on the machine
    And the command is killed with SIGKILL
    Then all of them are gone within 10 seconds
    And nothing of rbee is running

  @QN-1 @real
  Scenario: A second queen in one home folder is refused, and told of the first
    Given a queen is running
    When I run `rbee queen serve --port 0`
    Then the exit code is 1
    And stderr contains "A queen runs in this home folder already (pid"
    And stderr contains "rbee queen status tells where it listens"

  @QN-5 @real
  Scenario: A queen that is killed leaves both streams running; the next one knows her nodes, and learns the workers from the hive
    Given a machine with sshd and rbee installed
    And a queen is running
    And it is the node "workstation"
    And a model whose stories do not end
    When I run `rbee workers spawn --node localhost --model {endless model} --slots 2 --ctx-size 2048`
    And I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 1500 --json`
    And I start `rbee infer --model {endless model} --prompt "The queen bee" --max-tokens 1500 --json`
    And the first tokens of both streams are there
    And a queen, a hive and a worker are running on localhost
    And that queen is killed with SIGKILL under both streams
    And I run `rbee queen start` besides
    Then within 10 seconds the queen tells of that very worker
    And she still knows the node "workstation"
    And another queen runs, with the very same hive and worker
    And both streams give all their tokens, numbered without a gap

  @QN-2 @real
  Scenario: Two commands at once share one hive, and leave nothing
    When I start `rbee infer --prompt "Once upon a time" --max-tokens 8`
    And I start `rbee infer --prompt "The queen bee" --max-tokens 8`
    Then every command ends with exit code 0
    And nothing of rbee is running
    And no key, address or record of a process is left behind
