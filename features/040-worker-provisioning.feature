Feature: Worker binaries of a node
  The worker that rbee ships is on every node. Any other is built there from git when it is asked for, verified, and written down, so
  that it is built once.

  Rule: Sources are built by the recipe that they hold

    @WP-1 @real
    Scenario: A crate is built with cargo and registered
      Given cargo is on this machine
      And a git repository with a crate
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | features     | loud             |
        | git_repo_url | {git repository} |
      Then it answers with this worker binary:
        | worker_type | story-worker                                                |
        | version     | 0.3.1                                                       |
        | binary_path | {folder}/rbee/builds/story-worker/loud/target/release/story-worker |
        | features    | ["loud"]                                                    |
      And it told, in this order:
        | Building story-worker [loud] from main of {git repository}      |
        | build --release --bin story-worker --features loud              |
        | Compiling story-worker v0.3.1                                   |
        | Built, verified and registered story-worker [loud], version 0.3.1 |
      And the hive lists "llm-worker-rbee, story-worker"

    @WP-2 @real
    Scenario: A package is built with npm and registered
      Given a git repository with a package, whose build writes a worker
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | git_repo_url | {git repository} |
      Then it answers with this worker binary:
        | worker_type | story-worker                                       |
        | version     | 1.2.3                                              |
        | binary_path | {folder}/rbee/builds/story-worker/plain/built.js |
        | features    | []                                                 |
      And it told, in this order:
        | npm ci                                                        |
        | npm run build                                                 |
        | Built, verified and registered story-worker [], version 1.2.3 |
      And the hive lists "llm-worker-rbee, story-worker"

  Rule: What was built is written down

    @WP-3 @real
    Scenario: The catalog has a row for what was built
      Given a git repository with a package, whose build writes a worker
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | features     | loud, brief      |
        | git_repo_url | {git repository} |
      Then the table of worker binaries holds just this row:
        | worker_type | story-worker                                             |
        | version     | 1.2.3                                                    |
        | binary_path | {folder}/rbee/builds/story-worker/brief+loud/built.js |
        | features    | ["brief","loud"]                                         |
      And it has an id, and was built just now

    @WP-4 @real
    Scenario: Worker binaries are found by a feature
      Given a git repository with a package, whose build writes a worker
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | features     | loud             |
        | git_repo_url | {git repository} |
      Then the hive lists "llm-worker-rbee, story-worker"
      And the hive lists "story-worker" for the feature "loud"
      And the hive lists "" for the feature "brief"

    @WP-5 @real
    Scenario: A worker that is asked for and not there is built, and then spawned
      Given a git repository with a package, whose build writes a worker
      And the hive's settings name the git repository
      And a queen is running
      And a hive runs on localhost
      When the hive is asked for a "story-worker" with the model "demo"
      Then a worker with the model "demo" is idle, and its process runs "builds/story-worker/plain/built.js"
      And the build ran once
      When the hive is asked for a "story-worker" with the model "demo"
      Then the build ran once

    @EH-012a
    Scenario: A worker that nothing says how to build is not found
      Given a queen is running
      And a hive runs on localhost
      When the hive is asked for a "story-worker" with the model "demo"
      Then it refuses with 404 "WORKER_BINARY_NOT_FOUND": "Worker binary not found: story-worker"

    @WP-6 @real
    Scenario: It is built again when that is asked for
      Given a git repository with a package, whose build writes a worker
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | git_repo_url | {git repository} |
      And version "2.0.0" of the worker is committed
      And the hive is asked to build:
        | worker_type  | story-worker     |
        | git_repo_url | {git repository} |
      Then the build ran once
      When the hive is asked to build:
        | worker_type   | story-worker     |
        | git_repo_url  | {git repository} |
        | force_rebuild | true             |
      Then the build ran twice
      And the table of worker binaries holds just this row:
        | worker_type | story-worker |
        | version     | 2.0.0        |

    @WP-7 @real
    Scenario: Two who ask for the same at once share one build
      Given a git repository with a package, whose build writes a worker
      And a queen is running
      And a hive runs on localhost
      When the hive is asked twice at once to build:
        | worker_type  | story-worker     |
        | git_repo_url | {git repository} |
      Then both are answered with the same worker binary
      And the build ran once

  Rule: What cannot be built says why

    @EH-020a @real
    Scenario: The compiler's own words are shown
      Given cargo is on this machine
      And a git repository with a crate that does not compile
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | git_repo_url | {git repository} |
      Then it refuses with 502 "WORKER_BUILD_FAILED": "Worker build failed: story-worker []"
      And the refusal contains "mismatched types"
      And the hive lists "llm-worker-rbee"

    @EH-020b @real
    Scenario: CUDA without its toolkit builds nothing
      Given a git repository with a package, whose build writes a worker
      And there is no NVIDIA driver on this machine
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | features     | cuda             |
        | git_repo_url | {git repository} |
      Then it refuses with 400 "CUDA_TOOLKIT_MISSING": "CUDA toolkit not found. GPU FAIL FAST! NO CPU FALLBACK!"
      And the refusal contains "https://developer.nvidia.com/cuda-downloads"
      And nothing was built

    @EH-020c @real
    Scenario: A built file that is not executable is no worker
      Given a git repository with a package, whose build writes a file that is not executable
      And a queen is running
      And a hive runs on localhost
      When the hive is asked to build:
        | worker_type  | story-worker     |
        | git_repo_url | {git repository} |
      Then it refuses with 502 "WORKER_VERIFICATION_FAILED": "Binary verification failed: the file is not executable (story-worker)"
      And the hive lists "llm-worker-rbee"
