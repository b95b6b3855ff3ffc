"""What the user asked for: the jobspec document, its rules, its constraints and its short texts.

Read `model` first (`Jobspec`, `JobspecV1`), then `validate` (the rules), `constraint` (which nodes will do) and `query` (constraints as users
type them); `document` reads untrusted JSON and YAML. Nothing here knows what the machine has.
"""
