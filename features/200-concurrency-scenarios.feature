Feature: Several at once
  What happens at the same time comes out as if it had happened one after the other.

  Rule: The queen's registry of workers

    Background:
      Given the setting RBEE_TIMEOUTS_HEARTBEAT is "500ms"
      And a queen is running

    @Gap-C1
    Scenario: Three hives register one id
      When the hives "http://attic.lan:9200", "http://cellar.lan:9200" and "http://garage.lan:9200" register the worker "w-abc" at once
      Then one of them is answered 201 and the others 409
      And the queen tells of the worker "w-abc" what the one registered

    @Gap-C2
    Scenario: Two state updates at once: one of them is the last
      Given the worker "w-abc" has registered with "cpu:0"
      When the states "busy" and "idle" are sent for "w-abc" at once, 20 times
      Then every one of them is answered 200
      And the worker "w-abc" is "busy" or "idle", and otherwise as it registered

    @Gap-C6
    Scenario: A clean-up takes nobody who registers meanwhile
      Given the worker "w-old" has registered with "cpu:0"
      When new workers register one after another until the queen forgets "w-old"
      Then the queen knows of every one that registered in the last second

    @Gap-C7
    Scenario: A heartbeat during a state change does not undo it
      Given the worker "w-abc" has registered with "cpu:0"
      When 20 heartbeats and the state "draining" are sent for "w-abc" at once
      Then every one of them is answered 200
      And the worker "w-abc" is "draining" or "draining", and otherwise as it registered

  Rule: One model, asked for by many

    @Gap-C5 @real
    Scenario: Ten requests at once for a model that is not there: one download, one worker
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model |
      And a queen is running
      When ten tasks for "hf:someone/stories" are submitted at once
      Then all ten are answered with the same worker
      And just one worker was ever started
      And the hub has sent the file just once
      And the catalog lists "hf:someone/stories"
      When I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 4`
      Then the exit code is 0
      And stderr contains "Reusing idle worker w-"

    @Gap-C3 @real
    Scenario: Writers of several processes enter one model at once: one row
      Given a queen is running
      And a hive runs on localhost
      When three other processes enter the model "demo" in the catalog, again and again
      And I run `rbee models download --model demo` while they do
      Then all of them have entered it
      And the catalog holds just this model:
        | reference | demo |
      When I run `rbee catalog check`
      Then stdout contains "models.db  whole, 1 row"
