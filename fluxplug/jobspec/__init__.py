"""What the user asked for: the jobspec document, its rules, its constraints and its short texts.

Read `model` first (`Jobspec`), then `v1` (`JobspecV1` and how users make one), `options` and `rules` (what the options of submission commands do
to it), `validate` (the rules of the format), `constraint` (which nodes will do) and `query` (constraints as users type them). `document` reads
untrusted JSON and `yaml` YAML; `shape`, `taskmap`, `directives` and `batchconfig` are texts of their own. Nothing here knows what the machine has.
"""
