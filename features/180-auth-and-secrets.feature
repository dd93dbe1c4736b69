Feature: Auth and secrets
  Nobody gets in without the key, where there is one, and no key is ever where others could read it.

  @real
  Scenario: A token file that others could read stops everything that would use it
    Given a token file that holds "c4n4ry-token", with mode 644
    Then each of these fails, and stderr contains "chmod 600 {token file}":
      | rbee queen serve               |
      | rbee hive serve                |
      | rbee worker serve --model none |
      | rbee infer --prompt "Once"     |
    And no queen was ever started
    And nowhere is there a "c4n4ry" to be read

  @real
  Scenario: A token file that is not there
    Given a token file that is missing
    When I run `rbee queen serve`
    Then the exit code is 1
    And stderr contains "API token file {token file} does not exist"
    And stderr contains "openssl rand -hex 32 > {token file}"

  @real
  Scenario: Without a token nothing listens beyond this machine
    Then each of these fails, and stderr contains "API token required for non-loopback bind":
      | rbee queen serve --host 0.0.0.0               |
      | rbee hive serve --host ::                     |
      | rbee worker serve --model none --host 0.0.0.0 |
    And nothing of rbee is running

  @real
  Scenario: Without a token this machine is served, and the log says so once
    Given a queen is running
    When I run `rbee setup list-nodes`
    Then the exit code is 0
    And the queen's log says once "no API token is configured"

  @real
  Scenario: Only the key opens a queen that has one
    Given a token file that holds "c4n4ry-token", with mode 600
    And a queen is running
    Then the queen answers:
      | authorization        | path                       | status | code            |
      |                      | /health                    | 200    |                 |
      |                      | /v2/registry/beehives/list | 401    | MISSING_API_KEY |
      | bearer c4n4ry-token  | /v2/registry/beehives/list | 401    | MISSING_API_KEY |
      | Bearer c4n4ry-tokem  | /v2/registry/beehives/list | 401    | INVALID_API_KEY |
      | Bearer c4n4ry-token  | /v2/registry/beehives/list | 200    |                 |
    And the queen's log names "c4n4ry-token" and "c4n4ry-tokem" by their fingerprints
    And nowhere is there a "c4n4ry" to be read

  @real @EH-017
  Scenario: A command without the queen's key says where to configure it
    Given a token file that holds "c4n4ry-token", with mode 600
    And a queen is running
    When the command has no token file
    And I run `rbee setup list-nodes`
    Then the exit code is 1
    And stderr contains "Missing API key for queen-rbee"
    And stderr contains "auth.token_file in config.toml, or RBEE_API_TOKEN_FILE. Or set RBEE_API_TOKEN."
    When the variable "RBEE_API_TOKEN" is "c4n4ry-other"
    And I run `rbee setup list-nodes`
    Then the exit code is 1
    And stderr contains "Invalid API key for queen-rbee"
    When the variable "RBEE_API_TOKEN" is "c4n4ry-token"
    And I run `rbee setup list-nodes`
    Then the exit code is 0
    And nowhere is there a "c4n4ry" to be read

  @real
  Scenario: SIGHUP has the token file read again, and a broken one changes nothing
    Given a token file that holds "c4n4ry-first", with mode 600
    And a queen is running
    When the token file holds "c4n4ry-second", with mode 600
    And the queen is told by SIGHUP, and its log says "replaces"
    Then the queen answers:
      | authorization        | path                       | status | code            |
      | Bearer c4n4ry-first  | /v2/registry/beehives/list | 401    | INVALID_API_KEY |
      | Bearer c4n4ry-second | /v2/registry/beehives/list | 200    |                 |
    When the token file holds "c4n4ry-third", with mode 640
    And the queen is told by SIGHUP, and its log says "chmod 600"
    Then the queen answers:
      | authorization        | path                       | status | code            |
      | Bearer c4n4ry-third  | /v2/registry/beehives/list | 401    | INVALID_API_KEY |
      | Bearer c4n4ry-second | /v2/registry/beehives/list | 200    |                 |
    And nowhere is there a "c4n4ry" to be read

  @real
  Scenario: While an answer is made, no secret is where others could read it
    Given a model whose stories do not end
    And the variable "RBEE_API_TOKEN" is "c4n4ry-api-token"
    And the variable "HF_TOKEN" is "c4n4ry-hub-token"
    When I start `rbee --log-level debug infer --model {endless model} --prompt "Onc4n4ry upon a time" --max-tokens 1000000`
    And the first tokens are there
    And a queen, a hive and a worker are running on localhost
    Then no process but the command has a "c4n4ry" among its arguments
    And neither the hive nor the worker inherited "c4n4ry-api-token", nor the worker "c4n4ry-hub-token"
    And the keys of hive and worker are in files for our eyes only, and nowhere else
    When I press Ctrl+C
    Then the exit code is 130
    And nowhere is there a "c4n4ry" to be read
    And no key, address or record of a process is left behind

  @real
  Scenario: A node that is reached directly
    Given a machine with sshd and rbee installed
    And a queen is running
    When I run `rbee setup add-node --name workstation --ssh-host {host} --ssh-port {port} --ssh-user {user} --ssh-key {key} --git-repo https://example.org/rbee.git --install-path {install path} --transport direct`
    Then the exit code is 0
    When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 20 --seed 7`
    Then the exit code is 0
    And stdout holds a text of at least 20 characters
    And stderr contains "Reaching the hive on workstation directly, at http://{host}:"
    And a queen runs on localhost, a hive and a worker on the machine
    And the hive and the worker on the machine listen on all of its addresses, and answer 401 without their key
