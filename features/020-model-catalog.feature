Feature: The catalog of a node's models
  What a node has is written down once it is there, whole and verified. What is written down is not fetched again, and what
  is not there any more is not believed to be.

  @CAT-1 @real
  Scenario: A model that is in the catalog is not downloaded
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a queen is running
    When I run `rbee models download --model hf:someone/stories`
    Then the exit code is 0
    When I run `rbee models download --model hf:someone/stories`
    Then the exit code is 0
    And stderr contains "Model hf:someone/stories is in the catalog"
    And stderr tells this never: "Downloading"
    And the hub has sent the file just once

  @CAT-2 @real
  Scenario: A model that is not in the catalog is downloaded
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    When I run `rbee models download --model hf:someone/stories`
    Then the exit code is 0
    And stderr tells, in this order:
      | rbee-hive | Model hf:someone/stories is not in the catalog          |
      | rbee-hive | Looking for hf:someone/stories on the hub               |
      | rbee-hive | Downloading stories.Q8_0.gguf (1.3 MB)                  |
      | rbee-hive | Downloaded and verified 1.3 MB in                       |
      | rbee-hive | Model hf:someone/stories is now in the catalog (1.3 MB) |
    And the models' folder holds just these files:
      | someone--stories/{commit}/stories.Q8_0.gguf | the story model |
    And nothing of rbee is running

  @CAT-3 @real
  Scenario: What was downloaded is registered, row for row
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a queen is running
    When I run `rbee models download --model hf:someone/stories`
    Then the catalog holds just this model:
      | provider     | hf                                                   |
      | reference    | hf:someone/stories                                   |
      | local_path   | {models}/someone--stories/{commit}/stories.Q8_0.gguf |
      | size_bytes   | 1302400                                              |
      | sha256       | {checksum}                                           |
      | quantization | Q8_0                                                 |
    And the model has an id, and was downloaded just now
    When I run `rbee models list`
    Then stdout contains, in this order:
      | hf:someone/stories                                   |
      | 1.3 MB, Q8_0                                         |
      | {models}/someone--stories/{commit}/stories.Q8_0.gguf |

  @CAT-4 @real
  Scenario: The catalog is filtered by where models come from
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a model file of 2 MB
    And a queen is running
    When I run `rbee models download --model hf:someone/stories`
    And I run `rbee models download --model {model file}`
    And I run `rbee models download --model demo`
    Then these commands list just these models:
      | rbee models list --json                 | demo, {model file}, hf:someone/stories |
      | rbee models list --json --provider hf   | hf:someone/stories                     |
      | rbee models list --json --provider file | {model file}                           |
      | rbee models list --json --provider demo | demo                                   |

  @CAT-4
  Scenario: Models come from nowhere else
    When I run `rbee models list --provider ollama`
    Then the exit code is 2
    And stderr contains "hf"
    And stdout is empty
    And no queen was ever started

  @CAT-5 @real
  Scenario: A model's size is read from the disk, stored, and what the room for it is reckoned with
    Given a model file of 200 MB
    When I run `rbee infer --model {model file} --prompt "Once upon a time" --max-tokens 4`
    Then the exit code is 0
    And stderr contains "Room: 240 MB RAM needed"
    And the catalog holds just this model:
      | provider   | file              |
      | reference  | {model file}      |
      | local_path | {model file path} |
      | size_bytes | 209715200         |
      | sha256     | null              |
    And nothing of rbee is running

  @CAT-6 @real
  Scenario Outline: An entry whose file <what> is dropped, and the model downloaded again
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a queen is running
    When I run `rbee models download --model hf:someone/stories`
    And the model's file <what>
    And I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 4`
    Then the exit code is 0
    And stderr tells, in this order:
      | rbee-hive | Model hf:someone/stories is gone from the disk: dropped from the catalog |
      | rbee-hive | Downloading stories.Q8_0.gguf (1.3 MB)                                   |
      | rbee-hive | Model hf:someone/stories is now in the catalog (1.3 MB)                  |
    And stdout holds a text of at least 2 characters
    And the models' folder holds just these files:
      | someone--stories/{commit}/stories.Q8_0.gguf | the story model |
    And the catalog holds just this model:
      | reference  | hf:someone/stories |
      | size_bytes | 1302400            |

    Examples:
      | what           |
      | is deleted     |
      | loses its half |

  @CAT-6 @real
  Scenario: A user's own file that is gone is said to be
    Given a model file of 2 MB
    And a queen is running
    When I run `rbee models download --model {model file}`
    And the model's file is deleted
    And I run `rbee infer --model {model file} --prompt "Once upon a time"`
    Then the exit code is 1
    And stderr contains "Model {model file} is gone from the disk: dropped from the catalog"
    And stderr contains "Model not found: {model file} (no such file)"
    And the catalog is empty

  @CAT-7 @real
  Scenario: The catalogs of two hives are separate
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a machine with sshd and rbee installed
    And it is the node "workstation"
    And a queen is running
    When I run `rbee models download --node workstation --model hf:someone/stories`
    And I run `rbee models download --model demo`
    Then these commands list just these models:
      | rbee models list --json                    | demo               |
      | rbee models list --json --node workstation | hf:someone/stories |
    And the catalog of the machine holds just the model "hf:someone/stories"
    And the catalog holds just this model:
      | reference | demo |
    And the models' folder is empty

  @real
  Scenario: A model that is removed leaves neither its row nor its file
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a queen is running
    When I run `rbee models download --model hf:someone/stories`
    And I run `rbee models rm hf:someone/stories`
    Then the exit code is 0
    And stderr contains "Model hf:someone/stories is removed from localhost"
    And the catalog is empty
    And the models' folder is empty
    When I run `rbee models rm hf:someone/stories`
    Then the exit code is 1
    And stderr contains "Model not found: hf:someone/stories (not in the node's catalog)"

  @real
  Scenario: A file of the user's own stays where it is
    Given a model file of 2 MB
    And a queen is running
    When I run `rbee models download --model {model file}`
    And I run `rbee models rm {model file}`
    Then the exit code is 0
    And the catalog is empty
    And the model's file is still there

  @real
  Scenario: A model is not taken from under its worker
    Given a model hub with:
      | someone/stories | stories.Q8_0.gguf | the story model |
    And a queen is running
    When I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 4`
    And I run `rbee models rm hf:someone/stories`
    Then the exit code is 1
    And stderr matches "Model hf:someone/stories is in use by w-\w+"
    And the catalog holds just this model:
      | reference | hf:someone/stories |
    And the models' folder holds just these files:
      | someone--stories/{commit}/stories.Q8_0.gguf | the story model |
