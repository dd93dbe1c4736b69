Feature: End to end
  One command, from nothing at all to tokens from another machine.

  @E2E-1 @real
  Scenario: Cold start on a node that is reached by SSH
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stdout holds a text of at least 20 characters
    And stderr tells, in this order:
      | rbee-keeper | No queen is running: starting one for this command   |
      | queen-rbee  | Node workstation is {user}@{host}:{port}             |
      | queen-rbee  | Connecting to {host}:{port} by SSH                   |
      | queen-rbee  | Connected to {host}:{port}                           |
      | queen-rbee  | Authenticated as {user}                              |
      | queen-rbee  | Commands run there                                   |
      | queen-rbee  | Round trip                                           |
      | queen-rbee  | Found rbee-hive 0.1.0 at {install path}/dist/bin     |
      | queen-rbee  | Starting the hive on workstation                     |
      | queen-rbee  | Tunnel to port                                       |
      | queen-rbee  | Hive 0.1.0 started                                   |
      | queen-rbee  | No worker with demo on workstation yet               |
      | queen-rbee  | Hive 0.1.0 is well                                   |
      | queen-rbee  | Asking workstation for a worker with demo on cpu     |
      | rbee-hive   | Model demo is not in the catalog                     |
      | rbee-hive   | Model demo is a file of this node                    |
      | rbee-hive   | Model demo is now in the catalog                     |
      | rbee-hive   | MB RAM needed                                        |
      | rbee-hive   | Starting worker w-                                   |
      | rbee-hive   | is ready                                             |
      | rbee-hive   | Reported worker w-                                   |
      | queen-rbee  | on workstation is yours                              |
      | tokenizer   | Tokenized prompt                                     |
      | rbee-keeper | 20 tokens in                                         |
      | queen-rbee  | Shutting down 1 hive                                 |
      | rbee-hive   | Shutting down 1 worker                               |
      | rbee-hive   | 1/1 workers stopped                                  |
      | rbee-hive   | All workers stopped                                  |
      | queen-rbee  | 1/1 hives stopped                                    |
      | queen-rbee  | All hives stopped                                    |
      | rbee-keeper | Everything is stopped                                |
    And the catalog of the machine holds just the model "demo"
    And nothing of rbee is running

  @E2E-2 @real
  Scenario: Warm start on a node that is reached by SSH
    Given a machine with sshd and rbee installed
    And it is the node "workstation"
    And a queen is running
    When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 20 --seed 7`
    And a queen runs on localhost, a hive and a worker on the machine
    And I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stderr tells, in this order:
      | rbee-keeper | Using the queen at http://127.0.0.1:     |
      | queen-rbee  | Node workstation is {user}@{host}:{port} |
      | queen-rbee  | Reusing idle worker w-                   |
      | queen-rbee  | on workstation is yours                  |
      | tokenizer   | Tokenized prompt                         |
      | rbee-keeper | 20 tokens in                             |
    And nothing was told of phases 4 to 11
    And both answers are the same text
    And all of them are still running, and nothing else

  @E2E-1 @real
  Scenario: A machine with nothing but sshd and Node: install, infer, and take it all off again
    Given a machine with nothing but sshd and Node
    And it is the node "workstation"
    When I run `rbee setup install --node workstation`
    Then the exit code is 0
    And stderr tells, in this order:
      | queen-rbee | Looking at workstation                                    |
      | queen-rbee | Packing rbee and what it needs to run                     |
      | queen-rbee | Uploading                                                 |
      | rbee-hive  | Unpacking                                                 |
      | queen-rbee | rbee 0.1.0 is installed on workstation in {install path}  |
      | queen-rbee | Found rbee-hive 0.1.0 at {install path}/dist/bin          |
      | queen-rbee | Detected backends and devices: cpu 1                      |
    And rbee is installed on the machine
    When I run `rbee setup install --node workstation`
    Then the exit code is 0
    And stderr contains "rbee 0.1.0 was on workstation already: nothing to do"
    When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stdout holds a text of at least 20 characters
    When I run `rbee setup remove-node --name workstation --purge`
    Then the exit code is 0
    And nothing of rbee is installed on the machine
    And the registry is empty
    And nothing of rbee is running

  @E2E-1 @real
  Scenario: An installation whose command is killed leaves nothing, and the next one is whole
    Given a machine with nothing but sshd and Node
    And it is the node "workstation"
    When I start `rbee setup install --node workstation`
    And it says "Unpacking"
    And the command is killed with SIGKILL
    Then nothing of rbee is installed on the machine
    When I run `rbee setup install --node workstation`
    Then the exit code is 0
    And rbee is installed on the machine
    And nothing of rbee is running

  @E2E-1 @E2E-2 @EH-003a @real
  Scenario: Two machines in one pool, the link to one cut in the middle of an answer, and healed
    Given the machines "attic" and "cellar", each with a network of its own
    And a model whose stories do not end
    And a queen is running
    When I run `rbee infer --node cellar --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And a hive and a worker run on "cellar"
    When I start `rbee infer --node attic --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    Then a hive and a worker run on "attic"
    When the link to "attic" is cut
    And I run `rbee infer --node cellar --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stderr contains "Reusing idle worker"
    And the first answer breaks off within 40 seconds
    And within 40 seconds "attic" is unreachable
    And within 10 seconds "cellar" is reachable
    When the link to "attic" is healed
    Then within 10 seconds "attic" is reachable
    And everything that ran on the machines still runs
    When I run `rbee infer --node attic --model {endless model} --prompt "Once upon a time" --max-tokens 8 --ctx-size 4096` until a slot is free
    Then the exit code is 0
    And stderr contains "Reusing"
    And nothing was told of phases 4 to 11
    And everything that ran on the machines still runs

  @E2E-3 @real
  Scenario: A model from the hub, then an answer, in one command
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    When I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stdout holds a text of at least 20 characters
    And stderr tells, in this order:
      | rbee-keeper | No queen is running: starting one for this command           |
      | queen-rbee  | Asking localhost for a worker with hf:someone/stories on cpu |
      | rbee-hive   | Model hf:someone/stories is not in the catalog               |
      | rbee-hive   | Looking for hf:someone/stories on the hub                    |
      | rbee-hive   | Downloading stories.Q8_0.gguf (1.3 MB)                       |
      | rbee-hive   | Downloaded and verified 1.3 MB                               |
      | rbee-hive   | Model hf:someone/stories is now in the catalog               |
      | rbee-hive   | MB RAM needed                                                |
      | rbee-hive   | Starting worker w-                                           |
      | rbee-hive   | is ready                                                     |
      | tokenizer   | Tokenized prompt                                             |
      | rbee-keeper | 20 tokens in                                                 |
      | rbee-keeper | Everything is stopped                                        |
    And the catalog holds just this model:
      | reference | hf:someone/stories |
      | sha256    | {checksum}         |
    And nothing of rbee is running
    When I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stderr contains "Model hf:someone/stories is in the catalog"
    And both answers are the same text
    And the hub has sent the file just once
