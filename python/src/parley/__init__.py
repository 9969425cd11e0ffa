"""Servers, simulated devices, replays and taps of parley, for tests and notebooks.

Everything is done by the command ``parley``, which is installed with this package; what
it prints on errors is what the exceptions say. An address is a URL as the command takes
it: ``scpi://psu``, ``oneline://127.0.0.1:5001``, ``TCPIP0::scope::5025::SOCKET``.
"""

from ._binary import find_binary
from ._client import Connection, ask, connect, image
from ._errors import (
    ConnectError,
    ParleyError,
    PeerClosed,
    ReplyTimeout,
    TLSError,
    UsageError,
    WireError,
)
from ._message import Message, Value
from ._server import Device, Server, Tap, device, replay, serve, tap
from ._version import __version__

__all__ = [
    "ConnectError",
    "Connection",
    "Device",
    "Message",
    "ParleyError",
    "PeerClosed",
    "ReplyTimeout",
    "Server",
    "TLSError",
    "Tap",
    "UsageError",
    "Value",
    "WireError",
    "__version__",
    "ask",
    "connect",
    "device",
    "find_binary",
    "image",
    "replay",
    "serve",
    "tap",
]
