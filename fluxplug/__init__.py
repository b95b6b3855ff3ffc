"""fluxplug: a job scheduler for clusters, made of plugins. ARCHITECTURE.md says in which order to read it."""

__version__ = "0.1.0"
