Feature: Cancellation
  Whoever does not want the answer any more gets the terminal back, and the worker its slot.

  @CAN-1 @real
  Scenario: Ctrl+C ends the answer and everything that was started for it
    Given a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And I press Ctrl+C
    Then the command ends with exit code 130
    And stdout holds a text of at least 1 character
    And stderr contains "Request canceled, slot released"
    And stderr contains "Everything is stopped"
    And all of them are gone
    And nothing of rbee is running

  @CAN-1 @real
  Scenario: Ctrl+C frees the slot of a worker that stays
    Given a queen is running
    And a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And the worker on localhost is busy
    And I press Ctrl+C
    Then the command ends with exit code 130
    And the worker on localhost is idle
    And all of them are still running, and nothing else

  @CAN-1 @real
  Scenario: Ctrl+C in a chat ends the answer; twice at the prompt, the chat
    Given a model whose stories do not end
    When I start to talk to `rbee chat --model {endless model} --max-tokens 30000 --ctx-size 32768`
    And I say "Once upon a time"
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And I press Ctrl+C
    And it says "Request canceled, slot released"
    And the worker on localhost is idle
    And all of them are still running, and the command
    And I say "And then?"
    And more tokens are there
    And I press Ctrl+C
    And it says "Request canceled, slot released" twice
    And I say "/help"
    And it says "Ctrl+C stops an answer, not the chat."
    And I press Ctrl+C
    And it says "Ctrl+C again ends the chat"
    And I press Ctrl+C
    Then the command ends with exit code 130
    And nothing of rbee is running

  @CAN-6 @real
  Scenario: Ctrl+C while the model loads leaves nothing behind
    When I start `rbee infer --prompt "Once upon a time" --max-tokens 8`
    And a worker is stopped with SIGSTOP as soon as it runs
    And I press Ctrl+C
    Then the command ends with exit code 130
    And stdout is empty
    And nothing of rbee is running

  @CAN-2 @CAN-3 @CAN-4 @CAN-5 @CAN-7 @real
  Scenario: Every way in which a request may end early gives its slot back
    Given a worker with 4 slots, whose stories do not end
    Then a client that vanishes leaves its slot free within 1 second
    And a request that is deleted ends as cancelled, its slot free, however often it is deleted
    And one that waits for a slot can be deleted, too
    And a deadline ends an answer, and one that is past begins none
    And a client that never renews its lease of 1 second loses its slot
    When 20 requests come at once, most of which wait, and all are deleted at once
    Then all 4 slots are free, and nobody waits
