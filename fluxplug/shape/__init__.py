"""`flux.shape`: its module `parser`. What is behind it is in `fluxplug.jobspec`."""
