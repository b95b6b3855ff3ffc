"""The HTTP client of a live instance: what the commands and the Python API ask with. It starts fast and imports no web framework.

from fluxplug.client import Client
client = Client()                              # FLUXPLUG_URI says where
client.get("/v1/jobs/ƒ2gA9w9h")["job"]
for entry in client.stream("/v1/jobs/ƒ2gA9w9h/eventlog", follow=True): ...
"""

from __future__ import annotations

from fluxplug.client.client import Client
from fluxplug.client.uri import find_uri

__all__ = ["Client", "find_uri"]
