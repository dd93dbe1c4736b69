Feature: How a model gets onto a node
  From a hub that speaks the Hugging Face hub's protocol: in the middle of a download anything may happen, and under its final
  name a file is always whole.

  Rule: What is fetched is whole, verified, and told of on the way

    @MOD-1 @real
    Scenario: A download tells how far it is until it is complete
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub sends 8000 KB a second on each connection
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to download "hf:someone/stories"
      Then it answers 202 with the path that the file will have, "{models}/someone--stories/{commit}/stories.Q8_0.gguf"
      And its progress grows from event to event, of 8000000 bytes in all, up to ten a second, and ends with:
        | stage      | complete                                             |
        | local_path | {models}/someone--stories/{commit}/stories.Q8_0.gguf |
      And the catalog holds just this model:
        | reference  | hf:someone/stories |
        | size_bytes | 8000000            |
        | sha256     | {checksum}         |

    @MOD-1 @real
    Scenario: The same model asked for twice at once is one download
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub falls silent at 50 % of the file, once
      And a queen is running
      When I start `rbee models download --model hf:someone/stories`
      And 50 % of the file are there
      And I start `rbee models download --model hf:someone/stories`
      And it says "hf:someone/stories is being downloaded already: joining in"
      And the hub cuts what it has under way
      Then every command ended with exit code 0
      And the catalog lists "hf:someone/stories"
      And the hub has sent less than 5 % of the file twice

    @MOD-4 @real
    Scenario: Ranges fetched side by side are the same bytes
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 40 MB long |
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 40 MB long |
      And it was asked for 5 ranges, which are the file together
      And the hub has sent the file just once

    @MOD-5 @real
    Scenario: A server without ranges will do
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 10 MB long |
      And the hub gives no ranges
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr contains "Fetching it in one piece: the server gives no ranges"
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 10 MB long |

    @MOD-6 @real
    Scenario: A split model is one model, and the engine loads all of it
      Given a model hub with:
        | someone/stories | q8/stories.Q8_0-00001-of-00002.gguf | part 1 of 2 of the story model |
        | someone/stories | q8/stories.Q8_0-00002-of-00002.gguf | part 2 of 2 of the story model |
      And a queen is running
      When I run `rbee infer --model demo --prompt "Once upon a time" --max-tokens 20 --seed 7`
      And I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 20 --seed 7`
      Then the exit code is 0
      And stderr contains "Downloading q8/stories.Q8_0-00001-of-00002.gguf and 1 more part"
      And both answers are the same text
      And the hub has sent every file just once
      And the catalog lists "demo, hf:someone/stories"
      And the models' folder holds just these files:
        | someone--stories/{commit}/q8/stories.Q8_0-00001-of-00002.gguf | part 1 of 2 of the story model |
        | someone--stories/{commit}/q8/stories.Q8_0-00002-of-00002.gguf | part 2 of 2 of the story model |
      When I run `rbee models info hf:someone/stories`
      Then stdout contains, in this order:
        | 1.3 MB, Q8_0                    |
        | llama, 1 M parameters, 5 layers |
        | 512 tokens                      |

  Rule: Which file it is, and what it says of itself

    @MOD-2 @real
    Scenario: What a GGUF header says is read
      When I run `rbee models info demo --json`
      Then the exit code is 0
      And the header it tells of is:
        | architecture       | llama             |
        | name               | rbee tiny stories |
        | parameters         | 1197440           |
        | layers             | 5                 |
        | context_length     | 512               |
        | vocabulary_size    | 1024              |
        | quantization       | Q8_0              |
        | eos_token_id       | 2                 |
        | weights_bytes      | 1276416           |
        | size_bytes         | 1302400           |
        | kv_bytes_per_token | 2560              |
      And its chat template contains "message['role'] == 'assistant'"

    @MOD-3 @real
    Scenario: Quantizations are told apart, by name and by header
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf   | the story model, Q8_0 by its header   |
        | someone/stories | stories.Q5_K_M.gguf | the story model, Q5_K_M by its header |
        | someone/stories | stories.Q4_K_M.gguf | the story model, Q4_K_M by its header |
      And a queen is running
      Then each of these references is that file and quantization:
        | hf:someone/stories                     | stories.Q4_K_M.gguf | Q4_K_M |
        | hf:someone/stories:Q4_K_M              | stories.Q4_K_M.gguf | Q4_K_M |
        | hf:someone/stories:Q5_K_M              | stories.Q5_K_M.gguf | Q5_K_M |
        | hf:someone/stories:Q8_0                | stories.Q8_0.gguf   | Q8_0   |
        | hf:someone/stories/stories.Q5_K_M.gguf | stories.Q5_K_M.gguf | Q5_K_M |
      And the hub has sent every file just once

    @MOD-7 @real
    Scenario Outline: What is no model is not kept: <content>
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | <content> |
      And a queen is running
      When I run `rbee infer --model hf:someone/stories --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr contains "hf:someone/stories is not a usable GGUF file: <why>"
      And stderr contains "Name another file, or another quantization of the model."
      And stdout is empty
      And no worker was ever started
      And the catalog is empty
      And the models' folder is empty
      And the hive on localhost is alive

      Examples:
        | content                           | why                                       |
        | the first half of the story model | it ends before its last tensor: cut short |
        | a text                            | it does not begin as a GGUF file does     |

    @EH-007a @real
    Scenario: What the hub does not have is said, with what it has instead
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf   | the story model |
        | someone/stories | stories.Q4_K_M.gguf | the story model |
      And a queen is running
      Then each of these models is not found, and the command says why and what then:
        | hf:someone/nothing           | no such repository  | Check the name on https://huggingface.co |
        | hf:someone/stories@v2        | no such revision    | Check the name on https://huggingface.co |
        | hf:someone/stories/tale.gguf | no such file        | hf:someone/stories/stories.Q4_K_M.gguf,  |
        | hf:someone/stories:Q5_K_M    | no GGUF file for it | hf:someone/stories/stories.Q8_0.gguf     |
      And the hub has sent no byte of a file
      And the catalog is empty

  Rule: Who may have it

    @EH-007b @real
    Scenario Outline: A model that is not for everybody: <who>
      Given a model hub that knows the token "hf_c4n4ry", with:
        | someone/secrets | stories.Q8_0.gguf | the story model |
      And "someone/secrets" is for <whom>
      And the variable "HF_TOKEN" is "<token>"
      When I run `rbee models download --model hf:someone/secrets`
      Then the exit code is 1
      And stderr contains "Access denied to model hf:someone/secrets<why>"
      And stderr contains "<suggestion>"
      And the hub refused it with <status>
      And the hub has sent no byte of a file
      And the models' folder is empty
      And nowhere is there a "hf_c4n4ry" to be read

      Examples:
        | who                    | whom                          | token           | status | why                                     | suggestion                                                    |
        | no token               | those with a token            |                 | 401    |                                         | export HF_TOKEN=hf_                                           |
        | a wrong token          | those with a token            | hf_c4n4ry_wrong | 401    | : the hub refused the token             | export HF_TOKEN=hf_                                           |
        | one who was not let in | others than the token's owner | hf_c4n4ry       | 403    | : the token's owner has no access to it | accept the licence, on https://huggingface.co/someone/secrets |

    @EH-007b @real
    Scenario: With the token it works, and nobody but the hub sees it
      Given a model hub that knows the token "hf_c4n4ry", with:
        | someone/secrets | stories.Q8_0.gguf | the story model |
      And "someone/secrets" is for those with a token
      And the variable "HF_TOKEN" is "hf_c4n4ry"
      When I run `rbee models download --model hf:someone/secrets`
      Then the exit code is 0
      And the hub was shown the token "hf_c4n4ry", and the host of the files was not
      And the models' folder holds just these files:
        | someone--secrets/{commit}/stories.Q8_0.gguf | the story model |
      And nowhere is there a "hf_c4n4ry" to be read

  Rule: What breaks off goes on where it was

    @EH-008a @real
    Scenario: A hub that falls silent is asked six times, and later for the rest only
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub falls silent at 40 % of the file, always
      And the setting RBEE_TIMEOUTS_DOWNLOAD_STALL is "500ms"
      And a queen is running
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 1
      And stderr tells, in this order:
        | rbee-hive | nothing came for 500ms: attempt 2 of 6 in 100 ms  |
        | rbee-hive | nothing came for 500ms: attempt 3 of 6 in 200 ms  |
        | rbee-hive | nothing came for 500ms: attempt 4 of 6 in 400 ms  |
        | rbee-hive | nothing came for 500ms: attempt 5 of 6 in 800 ms  |
        | rbee-hive | nothing came for 500ms: attempt 6 of 6 in 1600 ms |
        | rbee-hive | Download timeout after 6 attempts                 |
      And stderr contains "the download resumes where it stopped"
      And the hub was asked 6 times for bytes of the file
      And a part of the file is kept, and nothing under its final name
      And the catalog is empty
      When the hub is well again
      And I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr matches "Resuming at (3[5-9]|40) %"
      And the last range that it was asked for begins at 35 to 40 %
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub has sent less than 5 % of the file twice

    @EH-008b @real
    Scenario: A connection that is reset at 40 % goes on from there
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub sends 4000 KB a second on each connection
      And the hub resets the connection at 40 % of the file
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr contains "the connection was cut: attempt 2 of 6 in 100 ms"
      And the hub was asked 2 times for bytes of the file
      And the last range that it was asked for begins at 35 to 40 %
      And the hub has sent less than 5 % of the file twice
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 8 MB long |

    @EH-008b @real
    Scenario: A download's address that expires on the way is asked for again
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub sends 8000 KB a second on each connection
      And the download's address expires at 40 % of the file
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr contains "the download's address has expired: attempt"
      And the last range that it was asked for begins at 35 to 40 %
      And the hub has sent less than 5 % of the file twice
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 8 MB long |

    @EH-008b @real
    Scenario: A hub that asks for patience is given it
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model |
      And the hub answers 503 the first 2 times
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr contains "the hub answered 503: attempt 3 of 6 now"
      And the hub has sent the file just once

    @EH-008b @real
    Scenario: A hub that is not there is tried six times
      Given the setting HF_ENDPOINT is "http://127.0.0.1:1"
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 1
      And stderr contains "Download failed after 6 attempts: 127.0.0.1:1 refused the connection"
      And nothing of rbee is running

    @EH-008c @real
    Scenario: A file that arrives corrupted is deleted and fetched once more
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model |
      And the hub sends one bit of the file wrong, once
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr contains "Checksum mismatch: deleted, fetching it once more"
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model |

    @EH-008c @real
    Scenario: A file that is always corrupted fails, and nothing of it stays
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model |
      And the hub sends one bit of the file wrong, always
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 1
      And stderr contains "Checksum mismatch: file corrupted (deleted)"
      And the hub was asked 2 times for bytes of the file
      And the catalog is empty
      And the models' folder is empty

    @CAN-6 @real
    Scenario: Ctrl+C at half of a download, and the same command again
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub falls silent at 50 % of the file, once
      When I start `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 8`
      And 50 % of the file are there
      And I press Ctrl+C
      Then the command ends with exit code 130
      And stdout is empty
      And the models' folder holds just a part of the file, and how much that is
      And the catalog is empty
      And nothing of rbee is running
      When I run `rbee infer --model hf:someone/stories --prompt "Once upon a time" --max-tokens 8`
      Then the exit code is 0
      And stderr matches "Resuming at (4[5-9]|50) %"
      And the last range that it was asked for begins at 45 to 50 %
      And the hub has sent less than 5 % of the file twice
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 8 MB long |
      And stdout holds a text of at least 5 characters

    @CAN-6 @real
    Scenario: Ctrl+C at half of a download leaves a running hive free to go on with it
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub falls silent at 50 % of the file, once
      And a queen is running
      When I start `rbee models download --model hf:someone/stories`
      And 50 % of the file are there
      And I press Ctrl+C
      Then the command ends with exit code 130
      And the models' folder holds just a part of the file, and how much that is
      And the hive on localhost is alive
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr matches "Resuming at (4[5-9]|50) %"
      And stderr tells this never: "waiting for it"
      And the hub has sent less than 5 % of the file twice
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 8 MB long |

    @CAN-6 @real
    Scenario: A download goes on as long as anybody wants it
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub falls silent at 50 % of the file, once
      And a queen is running
      When I start `rbee models download --model hf:someone/stories`
      And 50 % of the file are there
      And I start `rbee models download --model hf:someone/stories`
      And it says "is being downloaded already: joining in"
      And I press Ctrl+C in the first download
      Then the first download ends with exit code 130
      When the hub cuts what it has under way
      Then the command ends with exit code 0
      And the catalog lists "hf:someone/stories"
      And the hub has sent less than 5 % of the file twice

    @Gap-F4 @real
    Scenario: The hive is killed at half of a download, and the same command again
      Given a model hub with:
        | someone/stories | stories.Q8_0.gguf | the story model, made 8 MB long |
      And the hub falls silent at 50 % of the file, once
      And a queen is running
      When I start `rbee models download --model hf:someone/stories`
      And 50 % of the file are there
      And the hive is killed with SIGKILL
      Then the command ends with exit code 1
      And a part of the file is kept, and nothing under its final name
      When I run `rbee models download --model hf:someone/stories`
      Then the exit code is 0
      And stderr matches "Resuming at [1-5]\d %"
      And the hub has sent less than 30 % of the file twice
      And the models' folder holds just these files:
        | someone--stories/{commit}/stories.Q8_0.gguf | the story model, made 8 MB long |
      And the catalog holds just this model:
        | reference | hf:someone/stories |
        | sha256    | {checksum}         |
