"""The commands that make jobs: `submit`, `run`, `batch`, `alloc` and `bulksubmit`.

Read `options` first, the one table of options; `values` reads what users write for them, `parser` makes an argparse parser of the table,
`build` makes a jobspec of the arguments, `inputs` and `templates` make many jobs of one command line, and `command` runs it all. `page`
writes the table for docs/submit.md. Every submission pays for an import, so each is where it is needed.
"""
