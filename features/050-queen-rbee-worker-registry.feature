Feature: The queen's registry of all workers
  Workers that no hive of hers tells of register with the queen themselves. She says what they are and do, and forgets those
  that give no sign of life.

  Background:
    Given the setting RBEE_TIMEOUTS_HEARTBEAT is "500ms"
    And a queen is running

  Rule: Workers register, are found, change, and go

    @QR-1
    Scenario: A worker registers
      When I send POST /v1/workers/register to the queen:
        """
        {"worker_id":"w-abc","rbee_hive_url":"http://workstation.lan:9200","capabilities":["cuda:0"],"models_loaded":["hf:org/repo"]}
        """
      Then the queen answers 201
      And her answer holds {"id":"w-abc","state":"idle","capabilities":["cuda:0"],"models_loaded":["hf:org/repo"]}

    @QR-1
    Scenario: An id registers once
      Given the worker "w-abc" has registered with "cuda:0"
      When I send POST /v1/workers/register to the queen:
        """
        {"worker_id":"w-abc","rbee_hive_url":"http://attic.lan:9200","capabilities":["cpu"],"models_loaded":[]}
        """
      Then the queen answers 409
      And her answer holds {"error":{"code":"WORKER_ALREADY_REGISTERED","details":{"worker_id":"w-abc"}}}

    @QR-2 @QR-3
    Scenario: Workers are listed, all of them or those that fit
      Given the worker "w-cpu" has registered with "cpu:0"
      And the worker "w-one" has registered with "cuda:0"
      And the worker "w-two" has registered with "cuda:1"
      Then the queen lists these workers:
        | query                      | workers             |
        |                            | w-cpu, w-one, w-two |
        | capability=cuda:1          | w-two               |
        | capability=cuda            | w-one, w-two        |
        | capability=metal           |                     |
        | model=demo                 | w-cpu, w-one, w-two |
        | state=busy                 |                     |
        | state=idle&capability=cpu  | w-cpu               |

    @QR-4
    Scenario: A worker's state is changed, as far as it may follow
      Given the worker "w-abc" has registered with "cpu:0"
      When I send PATCH /v1/workers/w-abc to the queen:
        """
        {"state":"busy"}
        """
      Then the queen answers 200
      And her answer holds {"id":"w-abc","state":"busy"}
      When I send PATCH /v1/workers/w-abc to the queen:
        """
        {"state":"loading"}
        """
      Then the queen answers 409
      And her answer holds {"error":{"code":"WORKER_STATE_CONFLICT","details":{"from":"busy","to":"loading"}}}

    @QR-5
    Scenario: A worker is taken off, once or twice
      Given the worker "w-abc" has registered with "cpu:0"
      When I send DELETE /v1/workers/w-abc to the queen
      Then the queen answers 204
      When I send DELETE /v1/workers/w-abc to the queen
      Then the queen answers 204
      When I send GET /v1/workers/w-abc to the queen
      Then the queen answers 404

  Rule: Who gives no sign of life for four heartbeats is forgotten: 120 s by default, 2 s here

    @QR-6
    Scenario: A silent worker is forgotten, one that gives signs of life is not
      Given the worker "w-fresh" has registered with "cpu:0"
      And the worker "w-fresh" gives signs of life
      And the worker "w-stale" has registered with "cpu:0"
      Then the queen forgets "w-stale" after 2 seconds, and within 5
      And the queen lists these workers:
        | query | workers |
        |       | w-fresh |
