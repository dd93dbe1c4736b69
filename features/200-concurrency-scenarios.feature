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
