"""The live driver: the engine in real time, with a store that survives anything, and an HTTP API on a Unix socket."""
