Feature: Life of a hive
  A hive looks after its workers: it knows what runs, stops what nobody needs, replaces what is silent, and leaves nothing when it goes.

  @HV-2 @HV-3 @LIFE-5 @real
  Scenario: A silent worker is replaced once, one that has nothing to do is stopped, and the hive lives
    Given the setting RBEE_TIMEOUTS_HEALTH_CHECK is "200ms"
    And the setting RBEE_TIMEOUTS_WORKER_IDLE is "10s"
    And a hive runs in the foreground, with workers that are not rbee's own
    And these workers run:
      | {silent worker} | plain-worker |
      | {lonely worker} | slow-worker  |
      | {idle worker}   | plain-worker |
    When the program of the slow-worker is taken away
    And the {silent worker} is stopped with SIGSTOP
    And the {lonely worker} is stopped with SIGSTOP
    Then the hive tells, in any order:
      | Worker {silent worker} (pid {silent worker pid}) did not answer 3 times        |
      | Worker {lonely worker} (pid {lonely worker pid}) did not answer 3 times        |
      | Worker did not respond, force-killing (pid {silent worker pid})                |
      | Worker did not respond, force-killing (pid {lonely worker pid})                |
      | Giving up: no other worker instead of {lonely worker}: Worker binary not found |
    And the hive lists the {lonely worker} as failed
    And the hive tells, in any order:
      | has taken the place of {silent worker}                      |
      | Worker {idle worker} had nothing to do for 10s: stopping it |
    And the hive does not list the {silent worker} any more
    And the process of the {silent worker} is gone
    And the process of the {lonely worker} is gone
    And the process of the {idle worker} is gone

  @HV-4 @EH-014a @LIFE-3 @LIFE-7 @LIFE-8 @LIFE-9 @LIFE-10 @real
  Scenario: A hive that is told to end stops its workers all at once, and kills the one that does not go
    Given the setting RBEE_TIMEOUTS_DRAIN is "6s"
    And a hive runs in the foreground, with workers that are not rbee's own
    And these workers run:
      | {rbee worker}     | llm-worker-rbee |
      | {stopped worker}  | plain-worker    |
      | {slow worker}     | slow-worker     |
      | {slower worker}   | slow-worker     |
      | {slowest worker}  | slow-worker     |
    When the {stopped worker} is stopped with SIGSTOP
    And the hive is told to end with SIGTERM
    Then the hive ends with exit code 0
    And the hive told, in this order:
      | Shutting down 5 workers…                                         |
      | 1/5 workers stopped                                              |
      | 4/5 workers stopped                                              |
      | Worker did not respond, force-killing (pid {stopped worker pid}) |
      | 5/5 workers stopped                                              |
      | All workers stopped                                              |
    And the workers were gone within 10 seconds
    And no process of a worker runs any more
    And nothing of a worker is left in run/
    And the catalog still has the demo model

  @EH-014b @LIFE-2 @real
  Scenario: A worker that drains finishes what it has, and takes nothing new
    Given the setting RBEE_TIMEOUTS_DRAIN is "55s"
    And a model whose stories do not end
    And a hive runs in the foreground
    And the hive is asked for a worker:
      | model    | "{endless model}" |
      | ctx_size | 4096              |
    When the worker is asked for 1500 tokens, and gives the first
    Then the hive lists the {worker} as busy
    When the hive is told to end with SIGTERM
    Then the worker drains
    And the process of the worker is still the same
    And what else the worker is asked for is refused with 503 "WORKER_DRAINING"
    And the answer ends after 1500 tokens
    And the hive ends with exit code 0
    And no process of a worker runs any more

  @LIFE-4 @LIFE-5 @real
  Scenario: A stranger with the pid and the port of a worker is left alone
    Given a space of processes of its own, in which pids can be chosen
    And a hive runs there, with workers that are not rbee's own
    And a plain-worker runs there
    When the hive and the worker there are killed with SIGKILL
    And a stranger gets the worker's pid and listens on its port
    And another hive is started there
    Then it lists no worker, and keeps no record of the one that is gone
    And the stranger lives, and was never asked anything

  @HV-5 @real
  Scenario: The hive of a queen that vanished drains itself
    Given a lease is 5 seconds
    And the setting RBEE_TIMEOUTS_HEARTBEAT is "1s"
    And a model whose stories do not end
    When I start `rbee infer --model {endless model} --prompt "Once upon a time" --max-tokens 4000 --ctx-size 4096`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    And the command and its queen are killed with SIGKILL
    Then all of them are gone within 30 seconds
    And nothing of rbee is running
    And the hive's log tells of these:
      | no queen renewed its lease: shutting down |
      | All workers stopped                       |
