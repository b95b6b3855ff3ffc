"""What a request is answered with when it cannot be served: an errno and a text, as Flux's services have them."""

from __future__ import annotations

from fluxplug.errors import FluxplugError


class RequestError(FluxplugError, OSError):
    """A request that cannot be served, and has changed nothing. `errno` says how, the text is for whoever asked."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.message = message
