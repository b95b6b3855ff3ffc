"""Jobs as processes: the executor `local` (in the server) and its agents (one process a host). Empty, so that an agent loads little."""
