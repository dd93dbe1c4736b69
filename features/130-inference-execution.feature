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

  @INF-2 @INF-4 @INF-5 @INF-6 @INF-7 @INF-9 @Gap-C4 @real
  Scenario: A worker's four slots
    Given a worker with 4 slots, whose stories do not end
    Then four answers of 200 tokens come in turns
    And with 3 slots taken, one of 2 more requests gets the last and one is refused
    And of 100 requests at once 4 are answered and 96 refused
    And a stop string across tokens ends the text before it
    And the joined tokens are the text that comes in one piece
    And a prompt longer than the context is refused with the figures

  @EH-018a @EH-013a @real
  Scenario: A busy worker is asked again; one that is killed leaves what it said
    Given a queen is running
    And a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 30000 --ctx-size 32768`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And somebody else runs `rbee infer --model {endless model} --prompt "Once upon a time" --ctx-size 32768`
    Then that failed with "Worker still busy after 3 retries (1 of 1 slots)", after 7 seconds and 3 times "All slots are busy"
    And that failed with "or start the worker with more --slots", after 7 seconds and 3 times "asking again"
    When the worker is killed with SIGKILL
    Then the command ends with exit code 1
    And stderr contains "SSE stream closed unexpectedly - worker may have crashed"
    And what came is kept in a file, and counted of 30000

  @EH-013b @real
  Scenario: A worker that says nothing any more is noticed
    Given the setting RBEE_TIMEOUTS_INFERENCE_STALL is "1s"
    And the setting RBEE_TIMEOUTS_CANCEL is "200ms"
    And a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 30000 --ctx-size 32768`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And the worker is stopped with SIGSTOP
    And it says "Worker timeout - no response for 1s"
    And the worker goes on with SIGCONT
    Then the command ends with exit code 1
    And what came is kept in a file, and counted of 30000
    And nothing of rbee is running

  @real
  Scenario: A chat remembers, until it is told to forget
    When I run `rbee chat --system "You are a bee." --max-tokens 30 --temperature 0 --json` with this on standard input:
      """
      Tell me a story

      Tell me a story
      /clear
      Tell me a story
      /exit
      never read
      """
    Then the exit code is 0
    And of three answers to the same words only the second knew more than that
    And nothing of rbee is running
