"""What server and agent say to each other: frames of msgpack with a length in front, each a list of messages.

Messages of the server are `[op, ...]`; what must come once and in order (signals, input, windows) is `["request", number, op, ...]`, kept until the
agent's `["requests", number]` or its next hello says that it has come. Those of an agent are a hello, then batches of numbered reports and PMI
exchanges. Not here: who says what when (`link`, `channel`).
"""

from __future__ import annotations

import struct
from typing import Any

import msgspec

from fluxplug.errors import FluxplugError

#: A frame holds at most this much: far more than either side sends, so that garbage is recognised.
MAX_FRAME = 1 << 30
#: As long as nobody has said hello, one that holds more is not waited for: text that is no frame begins with a large number.
MAX_HELLO = 16 << 20

_LENGTH = struct.Struct("<I")
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode

# Reports of an agent: [kind, jobid, time, ...], each about the job's part on the agent's rank.
BEGUN = 0  # [ntasks of the job, 0 where none can be]: what the first rank says is the job's
RUNNING = 1  # [taskmap of the job]: every task of the rank runs
ENTRY = 2  # [log (index in LOGS), name, context]
TASK_EXIT = 3  # [localid, rank, pid, wait_status]: the rank's first
RAISED = 4  # [type, severity, note, wait_status or None]
TIMED_OUT = 5  # the time limit has passed; told once a rank
ENDED = 6  # [wait_status]; the rank is left. Nothing follows

LOGS = ("guest.output", "guest.input")


class ProtocolError(FluxplugError, ValueError):
    """The other side does not speak this protocol."""


def frame(message: Any) -> bytes:
    """One frame."""
    payload = _encode(message)
    return _LENGTH.pack(len(payload)) + payload


class Splitter:
    """Cuts a stream of bytes into the messages of its frames, of `most` bytes each."""

    __slots__ = ("_buffer", "most")

    def __init__(self, most: int = MAX_FRAME) -> None:
        self.most = most
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Any]:
        """The messages that are complete now. Raises ProtocolError for what is no frame."""
        buffer = self._buffer
        buffer += data
        found = []
        start = 0
        end = len(buffer)
        with memoryview(buffer) as view:
            while end - start >= 4:
                (length,) = _LENGTH.unpack_from(view, start)
                if length > self.most:
                    raise ProtocolError(f"a frame of {length} bytes")
                if end - start - 4 < length:
                    break
                try:
                    with view[start + 4 : start + 4 + length] as payload:
                        message = _decode(payload)
                except msgspec.DecodeError as error:
                    raise ProtocolError(str(error)) from error
                if type(message) is not list or not message:
                    raise ProtocolError("a frame without messages")
                found.append(message)
                start += 4 + length
        del buffer[:start]
        return found
