Feature: Inference
  The tokens come from the worker to the terminal as they are made.

  @INF-1 @real
  Scenario: Tokens stream while the worker is busy, and then it is idle again
    Given a queen is running
    And a model whose stories do not end
    And I run `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 1 --ctx-size 4096`
    And the worker on localhost is idle
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 1200 --ctx-size 4096 --json`
    And the first tokens are there
    Then the worker on localhost is busy
    And the command ends with exit code 0
    And the worker on localhost is idle
    And the tokens came at 20 different times at least
    And the token events are numbered from 0 without a gap
    And the end event says:
      | tokens_out  | 1200       |
      | stop_reason | max_tokens |
    And the end event has plausible times

  @INF-1 @real
  Scenario: The figures are told at the end
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And the figures on stderr tell of 20 tokens

  @INF-3 @real
  Scenario: The same seed gives the same text
    Given a queen is running
    When I run `rbee infer --prompt "Once upon a time" --max-tokens 60 --seed 42`
    And I run `rbee infer --prompt "Once upon a time" --max-tokens 60 --seed 42`
    And I run `rbee infer --prompt "Once upon a time" --max-tokens 60 --seed 43`
    Then the first two answers are the same text and the third is another one

  @INF-8 @real
  Scenario Outline: A limit of <limit> gives <limit> tokens
    When I run `rbee infer --prompt "Once upon a time" --max-tokens <limit> --json`
    Then the exit code is 0
    And there are exactly <limit> token events
    And the end event says:
      | tokens_out  | <limit>    |
      | stop_reason | max_tokens |

    Examples:
      | limit |
      | 0     |
      | 1     |
