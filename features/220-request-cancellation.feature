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
