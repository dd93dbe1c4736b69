Feature: SSH registry management
  The machines of the pool are added once, by the address and the key that SSH needs. Adding one tests it first.

  Rule: A machine is added when its SSH works

    @SSH-1 @real
    Scenario: Adding a node tests its SSH, shows its host key and saves it
      Given a machine with sshd and rbee installed
      When I add it as node "workstation"
      Then the exit code is 0
      And stderr tells, in this order:
        | queen-rbee | Connecting to {host}:{port} by SSH               |
        | queen-rbee | Connected to {host}:{port}                       |
        | queen-rbee | Host key {fingerprint}                           |
        | queen-rbee | Authenticated as {user}                          |
        | queen-rbee | Commands run there                               |
        | queen-rbee | Round trip                                       |
        | queen-rbee | Found rbee-hive 0.1.0 at {install path}/dist/bin |
        | queen-rbee | Node workstation saved                           |
      And the registry holds just this node:
        | node_name     | workstation                  |
        | ssh_host      | {host}                       |
        | ssh_port      | {port}                       |
        | ssh_user      | {user}                       |
        | ssh_key_path  | {key}                        |
        | git_repo_url  | https://example.org/rbee.git |
        | git_branch    | main                         |
        | install_path  | {install path}               |
        | transport     | ssh                          |
        | status        | reachable                    |
        | backends      | ["cpu"]                      |
        | devices       | {"cpu":1}                    |
      And the node was last connected to just now
      And the machine's host key is on record
      And nothing of rbee is running

    @SSH-1 @real
    Scenario: A machine without rbee is added all the same, since installing comes next
      Given a machine with sshd and without rbee
      When I add it as node "workstation"
      Then the exit code is 0
      And stderr contains "No rbee there yet. Install it: rbee setup install --node workstation"
      And the registry holds just the node "workstation"

    @SSH-2 @real
    Scenario: A machine that does not answer is not saved
      Given a machine with sshd and rbee installed
      And a port where nobody ever answers
      And the setting RBEE_TIMEOUTS_SSH_CONNECT is "400ms"
      When I run `rbee setup add-node --name workstation --ssh-host 127.0.0.1 --ssh-port {silent port} --ssh-user me --ssh-key {key}`
      Then the exit code is 1
      And stderr tells, in this order:
        | queen-rbee | Connecting to 127.0.0.1:{silent port} by SSH                                      |
        | queen-rbee | Attempt 1 of 3: no answer within 0.4 s                                            |
        | queen-rbee | Attempt 2 of 3, after about 200 ms: no answer within 0.4 s                        |
        | queen-rbee | Attempt 3 of 3, after about 400 ms: no answer within 0.4 s                        |
        | queen-rbee | SSH connection failed after 3 attempts: 127.0.0.1:{silent port}, timeout 0.4 s    |
      And the registry is empty
      And nothing of rbee is running

    @SSH-3 @real
    Scenario: A key that the machine does not know is refused
      Given a machine with sshd and rbee installed
      When I add it as node "workstation" with another key
      Then the exit code is 1
      And stderr tells, in this order:
        | queen-rbee | Connecting to {host}:{port} by SSH |
        | queen-rbee | Connected to {host}:{port}         |
        | queen-rbee | SSH authentication failed          |
      And stderr contains "chmod 600"
      And stderr contains "ssh-add"
      And stderr contains "authorized_keys"
      And stdout is empty
      And the registry is empty
      And nothing of rbee is running

    @SSH-8
    Scenario: A key that does not exist is refused before a queen is asked
      When I run `rbee setup add-node --name workstation --ssh-host 127.0.0.1 --ssh-user me --ssh-key {folder}/no-such-key`
      Then the exit code is 1
      And stderr contains "SSH key not found: {folder}/no-such-key"
      And stdout is empty
      And no queen was ever started
      And nothing of rbee is running

    @SSH-9 @real
    Scenario: A name is given once
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      When I add it as node "workstation"
      Then the exit code is 1
      And stderr contains "Node 'workstation' already exists in registry"
      And stderr contains "rbee setup remove-node --name workstation"
      And the registry holds just the node "workstation"

    @SSH-9
    Scenario: localhost is built in and cannot be added
      Given a machine with sshd and rbee installed
      When I add it as node "localhost"
      Then the exit code is 1
      And stderr contains "Node 'localhost' already exists in registry"
      And the registry is empty

  Rule: The pool's machines can be seen and taken off

    @SSH-6 @real
    Scenario: Listing shows each node with what is known of it
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      And it is the node "attic"
      When I run `rbee setup list-nodes`
      Then the exit code is 0
      And stdout contains, in this order:
        | attic  reachable                |
        | host       {user}@{host}:{port} |
        | last seen                       |
        | devices    cpu 1                |
        | install    {install path}       |
        | workstation  reachable          |
        | host       {user}@{host}:{port} |
      And nothing of rbee is running

    @SSH-6
    Scenario: Listing an empty registry says what to do
      When I run `rbee setup list-nodes`
      Then the exit code is 0
      And stdout contains "No nodes yet"
      And stdout contains "rbee setup add-node"

    @SSH-7 @real
    Scenario: Removing a node takes it off the registry
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      And it is the node "attic"
      When I run `rbee setup remove-node --name workstation`
      Then the exit code is 0
      And stderr contains "Node workstation removed"
      And the registry holds just the node "attic"

    @SSH-7
    Scenario: A node that is not there cannot be removed
      When I run `rbee setup remove-node --name workstation`
      Then the exit code is 1
      And stderr contains "Node 'workstation' not found in rbee-hive registry"

  Rule: Inference on a node that cannot serve says why, and what to do

    @SSH-4 @real
    Scenario: rbee is not installed on the node
      Given a machine with sshd and without rbee
      And it is the node "workstation"
      When I run `rbee infer --node workstation --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr contains "Failed to start rbee-hive: command not found on workstation"
      And stderr contains "rbee setup install --node workstation"
      And stdout is empty
      And nothing of rbee is running

    @SSH-10
    Scenario: The node is unknown
      When I run `rbee infer --node nowhere --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr contains "Node 'nowhere' not found in rbee-hive registry"
      And stderr contains "rbee setup add-node --name nowhere"
      And stdout is empty
      And nothing of rbee is running

    @SSH-12 @real
    Scenario: A node whose host key has changed is refused
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      And the machine shows another host key from now on
      When I run `rbee infer --node workstation --prompt "Once upon a time"`
      Then the exit code is 1
      And stderr names the recorded host key and the one that was shown
      And stderr contains "Someone may be intercepting the connection"
      And stdout is empty
      And nothing was ever started on the machine
      And nothing of rbee is running

    @SSH-12 @SSH-11 @real
    Scenario: A new host key is accepted by its fingerprint, and by no other
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      And the machine shows another host key from now on
      When I run `rbee setup update-node --name workstation --accept-host-key SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA`
      Then the exit code is 1
      And stderr contains "rbee setup update-node --name workstation --accept-host-key {new fingerprint}"
      When I run `rbee setup update-node --name workstation --accept-host-key {new fingerprint}`
      Then the exit code is 0
      And stderr contains "Host key {new fingerprint}"
      When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 8`
      Then the exit code is 0

  Rule: What ssh knows of a machine, rbee knows

    @SSH-13 @real
    Scenario: An alias of ~/.ssh/config is all that has to be said
      Given a machine with sshd and rbee installed
      And this is in ~/.ssh/config:
        """
        Host attic
          HostName {host}
          Port {port}
          User {user}
          IdentityFile {key}
        """
      When I run `rbee setup add-node --name workstation --ssh-host attic --install-path {install path}`
      Then the exit code is 0
      And stderr contains "attic is {host} by ssh_config"
      When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 8`
      Then the exit code is 0
      And nothing of rbee is running

    @SSH-13 @real
    Scenario: The way leads through a jump host
      Given a machine with sshd and rbee installed
      And a jump host with sshd
      And this is in ~/.ssh/config:
        """
        Host gate
          HostName 127.0.0.1
          Port {jump port}
          IdentityFile {jump key}
        Host attic
          HostName {host}
          Port {port}
          IdentityFile {key}
          ProxyJump gate
        """
      When I run `rbee setup add-node --name workstation --ssh-host attic --ssh-user {user} --install-path {install path}`
      Then the exit code is 0
      And the way there led through the jump host
      When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 8`
      Then the exit code is 0
      And nothing of rbee is running

  Rule: rbee can be built on the machine

    @SSH-5 @real
    Scenario: Installing from the node's git repository
      Given a machine with sshd, Node, npm and git
      And a git repository that rbee is built from
      When I run `rbee setup add-node --name workstation --ssh-host {host} --ssh-port {port} --ssh-user {user} --ssh-key {key} --git-repo {repository} --install-path {install path}`
      Then the exit code is 0
      When I run `rbee setup install --node workstation --from git`
      Then the exit code is 0
      And stderr tells, in this order:
        | queen-rbee | Looking at workstation                                   |
        | rbee-hive  | Cloning main at                                          |
        | rbee-hive  | Building: npm ci                                         |
        | queen-rbee | rbee 0.1.0 is installed on workstation in {install path} |
        | queen-rbee | Found rbee-hive 0.1.0 at {install path}/dist/bin         |
      When I run `rbee setup install --node workstation --from git`
      Then the exit code is 0
      And stderr contains "rbee 0.1.0 was on workstation already: nothing to do"
      When I run `rbee infer --node workstation --prompt "Once upon a time" --max-tokens 8`
      Then the exit code is 0
      And nothing of rbee is running

  Rule: What is known of a machine can be changed

    @SSH-11 @real
    Scenario: A change is tested before it is saved
      Given a machine with sshd and rbee installed
      And it is the node "workstation"
      And a port where nobody ever answers
      And the setting RBEE_TIMEOUTS_SSH_CONNECT is "400ms"
      When I run `rbee setup update-node --name workstation --ssh-port {silent port} --git-branch stable`
      Then the exit code is 1
      And the registry holds just this node:
        | node_name  | workstation |
        | ssh_port   | {port}      |
        | git_branch | main        |
      When I run `rbee setup update-node --name workstation --git-branch stable`
      Then the exit code is 0
      And stderr contains "Node workstation updated"
      And the registry holds just this node:
        | node_name    | workstation    |
        | ssh_port     | {port}         |
        | git_branch   | stable         |
        | install_path | {install path} |
      And nothing of rbee is running
