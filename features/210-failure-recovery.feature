Feature: Recovery from failures
  What breaks is noticed, kept, and worked around; nothing of the user's is thrown away.

  @Gap-F2 @real
  Scenario: A corrupt catalog is set aside, and the models are found again
    Given a model that was downloaded before
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    And "models.db" is overwritten with garbage
    And I run `rbee infer --model {downloaded model} --prompt "Once upon a time" --max-tokens 4`
    Then the exit code is 0
    And stdout holds a text of at least 2 characters
    And stderr contains "Model {downloaded model} is in the catalog"
    And the garbage is kept as it was, under a name that tells when
    And the hive's log tells of these:
      | models.db is damaged (file is not a database) |
      | rbee catalog check                            |
      | Found 1 model on the disk again               |
    When I run `rbee catalog check`
    Then the exit code is 0
    And stdout contains "models.db  whole, 1 row"
    And stdout contains "A damaged one is kept"

  @Gap-F2 @real
  Scenario: A truncated node registry is set aside, and the pool goes on
    When I run `rbee setup list-nodes`
    And "beehives.db" is cut in half
    And I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    Then the exit code is 0
    When I run `rbee catalog check`
    Then the exit code is 0
    And stdout contains "beehives.db  whole, 0 rows"
    And stdout contains "A damaged one is kept"

  @Gap-F8 @real
  Scenario: A backup is verified, and restored after the catalog was damaged
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    And I run `rbee catalog backup`
    Then the exit code is 0
    And stdout contains "beehives.db  backed up and verified: 0 rows"
    And stdout contains "models.db  backed up and verified: 1 row"
    And stdout contains "workers.db  backed up and verified: 0 rows"
    And the backups are for my eyes alone
    When "models.db" is cut in half
    And I run `rbee catalog check`
    Then the exit code is 1
    And stdout contains "models.db  cannot be used: database disk image is malformed"
    And stdout contains "rbee hive stop; rbee catalog restore {models backup}"
    When I run `rbee catalog restore {models backup}`
    Then the exit code is 0
    And stdout contains "models.db  restored and verified: 1 row"
    When I run `rbee catalog check`
    Then the exit code is 0
    And stdout contains "models.db  whole, 1 row"

  @Gap-F8 @real
  Scenario: A backup is taken while the hive runs, and not restored under it
    Given a queen is running
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    And I run `rbee catalog backup`
    Then the exit code is 0
    And the backups are for my eyes alone
    When I run `rbee catalog restore {models backup}`
    Then the exit code is 1
    And stderr matches "models\.db is in use by the hive \(pid \d+\)"
    And stderr contains "rbee hive stop"
    When I run `rbee hive stop`
    And I run `rbee catalog restore {models backup}`
    Then the exit code is 0
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    Then the exit code is 0
    And stderr contains "Model demo is in the catalog"

  @Gap-F8 @CLI-11 @real
  Scenario: Backups, restores and checks for scripts
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    And I run `rbee catalog backup`
    And the backups are for my eyes alone
    Then each of these ends with its exit code and prints JSON alone on stdout, one document or lines:
      | exit | prints                  | command                                      |
      | 0    | a document with backups | rbee catalog backup --json                   |
      | 0    | a document with before  | rbee catalog restore --json {models backup}  |
      | 0    | a document with sound   | rbee catalog check --json                    |
    When "models.db" is cut in half
    Then each of these ends with its exit code and prints JSON alone on stdout, one document or lines:
      | exit | prints                | command                   |
      | 1    | a document with sound | rbee catalog check --json |

  @Gap-F8 @real
  Scenario: What is no backup is refused
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 4`
    And I run `rbee catalog restore {folder}`
    Then the exit code is 1
    And stderr contains "{folder} cannot be restored: there is no such file"
    And stdout is empty

  @Gap-F6 @HV-1 @real
  Scenario: A hive that is killed leaves both streams running, and the next one finds their worker again
    Given a queen is running
    And a model whose stories do not end
    When I run `rbee workers spawn --node localhost --model {endless model} --slots 2 --ctx-size 2048`
    And I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 1500 --json`
    And I start `rbee infer --model {endless model} --prompt "The queen bee" --max-tokens 1500 --json`
    And the first tokens of both streams are there
    And a queen, a hive and a worker are running on localhost
    And that hive is killed with SIGKILL under both streams
    Then the queen notices that the hive is gone
    When I run `rbee setup preflight --node localhost` besides
    Then another hive runs, with the very same worker
    And both streams give all their tokens, numbered without a gap

  @Gap-F6 @real
  Scenario: A worker that nobody looks after any more ends by itself
    Given a lease is 3 seconds
    And a queen is running
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 8`
    And a queen, a hive and a worker are running on localhost
    And queen and hive are killed with SIGKILL
    Then all of them are gone within 20 seconds

  @Gap-F1 @real
  Scenario: A worker that crashes is noticed and forgotten, and the next request starts another
    Given a queen is running
    And a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And the worker gets SIGSEGV
    Then within 10 seconds the command says "worker may have crashed"
    And within 10 seconds neither hive nor queen lists it
    And the command ends with exit code 1
    And the text so far is saved in the file that stderr names
    # The next one starts another worker, which is killed when it has nothing to do.
    When I run `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4 --ctx-size 4096`
    Then the exit code is 0
    And stderr contains "Starting worker w-"
    When the worker gets SIGKILL
    Then within 10 seconds neither hive nor queen lists it
    # And another one, which is killed in the middle of its answer.
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And the worker gets SIGKILL
    Then within 10 seconds the command says "worker may have crashed"
    And within 10 seconds neither hive nor queen lists it
    And the command ends with exit code 1

  @Gap-F7 @real
  Scenario: A hive that is told to end lets its two requests finish
    Given the setting RBEE_TIMEOUTS_DRAIN is "100s"
    And a model whose stories do not end
    And I start `rbee hive serve` in the foreground, and it listens
    And a queen is running
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 600 --ctx-size 2048 --slots 2 --json` twice, and both answers have begun
    And the hive in the foreground gets SIGTERM
    Then both answers are whole, of 600 tokens, numbered without a gap
    And the hive in the foreground ends with exit code 0
    And no worker runs any more

  @Gap-F7 @real
  Scenario: A queen that is told to end lets her two requests finish, and takes everything with her
    Given the setting RBEE_TIMEOUTS_DRAIN is "100s"
    And a model whose stories do not end
    And I start `rbee queen serve` in the foreground, and it listens
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 600 --ctx-size 2048 --slots 2 --json` twice, and both answers have begun
    And the queen in the foreground gets SIGTERM
    Then both answers are whole, of 600 tokens, numbered without a gap
    And the queen in the foreground ends with exit code 0
    And nothing of rbee is running

  @Gap-F3 @real
  Scenario: Two queens claim one hive: the newer has it, the other is told, and what streams goes on
    Given a machine with sshd and rbee installed
    And a queen is running
    And it is the node "workstation"
    And a model whose stories do not end
    When I start `rbee infer --node workstation --model {endless model} --prompt "Once upon a time" --max-tokens 1500 --ctx-size 2048 --json`
    And the first tokens are there
    And another user's queen is running, and looks at the node "workstation"
    Then the queen's log tells of "The hive on workstation is now held by another queen: that of {other home} on"
    And the stream gives all its tokens, numbered without a gap
    When I run `rbee infer --node workstation --prompt "Once upon a time"`
    Then the exit code is 1
    And stderr contains "is now held by another queen: that of {other home} on"
    And stderr contains "rbee setup claim --node workstation"
    And stdout is empty
    When I run `rbee status`
    Then stdout contains "is now held by another queen"
    # Taking it back is for a user to say; then it is the other one who is told.
    When I run `rbee setup claim --node workstation`
    Then the exit code is 0
    When I run `rbee workers list --node workstation`
    Then stdout matches "idle|busy"
    When the other user runs `rbee infer --node workstation --prompt "Once upon a time"`
    Then the exit code is 1
    And stderr contains "is now held by another queen: that of {rbee home} on"

  @Gap-F5 @real
  Scenario: A hive that falls silent while its worker answers gets no new work, and the answer is whole
    Given the setting RBEE_TIMEOUTS_HEARTBEAT is "500ms"
    And the setting RBEE_TIMEOUTS_HTTP_TOTAL is "2s"
    And the setting RBEE_TIMEOUTS_HTTP_CONNECT is "1s"
    And a queen is running
    And a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 1500 --ctx-size 2048 --json`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And that hive gets SIGSTOP
    Then the queen notices that the hive is gone
    And the queen offers no worker any more
    When I run `rbee setup preflight --node localhost` besides
    Then another hive runs, with the very same worker
    And the stream gives all its tokens, numbered without a gap

  @Gap-F7 @real
  Scenario: A queen of three hives that is told to end with two streams and a download under way is gone within the deadline
    Given the setting RBEE_TIMEOUTS_DRAIN is "5s"
    And the machines "attic" and "cellar", each with a network of its own
    And a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model, made 20 MB long |
    And the hub sends 300 KB a second on each connection
    And a model whose stories do not end
    And I start `rbee queen serve` in the foreground, and it listens
    And I run `rbee workers spawn --node cellar --model demo` besides
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 100000 --ctx-size 110000 --json`
    And I start `rbee infer --node attic --model {endless model} --prompt "The queen bee" --max-tokens 100000 --ctx-size 110000 --json`
    And the first tokens of both streams are there
    And I start `rbee models download --model hf:someone/stories`
    And 10 % of the file are there
    And the queen in the foreground gets SIGTERM
    Then a task that is submitted now is refused with 503
    And within 9 seconds nothing of rbee is left
    And the queen in the foreground ends with exit code 0
    And a part of the file is kept, and nothing under its final name

  @Gap-F7 @real
  Scenario: A queen of three hives, one cut off and one with a worker that hangs, is gone within the deadline
    Given the setting RBEE_TIMEOUTS_DRAIN is "5s"
    And the machines "attic" and "cellar", each with a network of its own
    And I start `rbee queen serve` in the foreground, and it listens
    And I run `rbee workers spawn --node localhost --model demo` besides
    And a worker is stopped with SIGSTOP as soon as it runs
    And I run `rbee workers spawn --node cellar --model demo` besides
    And I run `rbee workers spawn --node attic --model demo` besides
    When the link to "attic" is cut
    And the queen in the foreground gets SIGTERM
    Then within 15 seconds no queen, hive or worker is left but on "attic"
    And the queen in the foreground ends with exit code 0
    And the queen in the foreground says "The hive on attic said nothing for 7s: it may be running on"
    When "attic" is turned off
    Then nothing of rbee is running
