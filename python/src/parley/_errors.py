from __future__ import annotations


class ParleyError(Exception):
    """What the command has said, and with which exit code it has ended."""

    code: int

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class UsageError(ParleyError):
    """An address, a file or a value that can't be right (exit code 2)."""


class ConnectError(ParleyError, ConnectionError):
    """Nobody can be reached there, or that address can't be served (exit code 3)."""


class ReplyTimeout(ParleyError, TimeoutError):
    """Something that was due has not come in time (exit code 4)."""


class WireError(ParleyError):
    """The peer does not speak this wire (exit code 5)."""


class TLSError(ParleyError):
    """TLS has failed (exit code 6)."""


class PeerClosed(ParleyError, EOFError):
    """The peer has ended the conversation."""


_BY_CODE = {2: UsageError, 3: ConnectError, 4: ReplyTimeout, 5: WireError, 6: TLSError}


def error_of(code: int, stderr: str) -> ParleyError:
    """Return the exception for how the command has ended."""
    lines = [line for line in stderr.splitlines() if line.startswith(("parley: ", "  "))]
    text = "\n".join(lines).replace("parley: ", "", 1) if lines else stderr.strip()
    return _BY_CODE.get(code, ParleyError)(text or f"parley has ended with exit code {code}", code)
