from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Any, Iterator, Optional, Sequence

from ._errors import PeerClosed, ReplyTimeout
from ._message import Message, Value, argument, message_of
from ._process import Process, run

if TYPE_CHECKING:
    import numpy


def ask(url: str, question: Value, *, timeout: float = 30, options: Sequence[str] = ()) -> Value:
    """Ask one question and return its answer.

    On scpi a question without a question mark has no answer: None is returned when it
    is sent. timeout is the longest wait for the answer, in seconds. options are flags of
    ``parley ask``, for instance ``["--quiet", "300ms"]``; with several answers the last
    one is returned."""
    out = run(["ask", url, "--json", "--timeout", f"{timeout}s", *options, "--", argument(question)])
    answers = [m for line in out.splitlines() for m in json.loads(line).get("answers") or []]
    return message_of(answers[-1]).value if answers else None


class Asker:
    """Asks questions that are text, one after the other, on one connection."""

    def __init__(self, url: str, timeout: float, options: Sequence[str]) -> None:
        self._wait = timeout + 30  # the command itself tells that nothing has come
        self._process = Process(["ask", url, "-", "--json", "--keep-going", "--timeout", f"{timeout}s", *options], stdin=True)

    def ask(self, question: str) -> Value:
        self._process.write(question)
        record = self._process.read(self._wait)
        if "error" in record:
            raise ReplyTimeout(record["error"], 4)
        answers = record.get("answers")
        return message_of(answers[-1]).value if answers else None

    def close(self) -> None:
        self._process.stop()


def connect(url: str, *, timeout: float = 30, options: Sequence[str] = ()) -> Connection:
    """Return a connection, to be used with ``with``. options are flags of ``parley
    connect``, for instance ``["--pin", fingerprint]``."""
    return Connection(url, timeout=timeout, options=options)


class Connection:
    """A conversation with a server.

    ``send`` and ``receive`` may be called from two threads. Iterating yields messages
    until the peer ends the conversation."""

    def __init__(self, url: str, *, timeout: float = 30, options: Sequence[str] = ()) -> None:
        self.url = url
        self.timeout = timeout
        self._process = Process(["connect", url, "--json", "--no-history", "--hold", *options], stdin=True)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    def send(self, value: Value) -> None:
        """Send a message; its type is the value's. What the wire can't carry ends the
        conversation, and the next call raises why."""
        self._process.write(argument(value))

    def receive(self, timeout: Optional[float] = None) -> Message:
        """Return the next message. After timeout seconds, those of the connection unless
        given, it raises ReplyTimeout, and PeerClosed when there will be none."""
        return message_of(self._process.read(self.timeout if timeout is None else timeout))

    def ask(self, value: Value, timeout: Optional[float] = None) -> Value:
        """Send a message and return the value of the next one that comes."""
        self.send(value)
        return self.receive(timeout).value

    def messages(self, wait: Optional[float] = None) -> Iterator[Message]:
        """Yield messages until nothing has come for wait seconds, or the peer has ended
        the conversation."""
        while True:
            try:
                record = self._process.read(wait)
            except (PeerClosed, ReplyTimeout):
                return
            yield message_of(record)

    def __iter__(self) -> Iterator[Message]:
        return self.messages()

    def close(self) -> None:
        """Leave, as the wire wants it; what was sent has left by then."""
        self._process.stop("/quit")


def image(url: str, ask: Optional[Value] = None, *, shape: Optional[tuple[int, int]] = None, dtype: Optional[str] = None,
          options: Sequence[str] = ()) -> numpy.ndarray[Any, Any]:
    """Return a frame of an instrument as an array, rows first. ask is what to ask for
    it; without that the next frame is taken. shape is (height, width), a square unless
    given; dtype is float32, uint16 or another that ``parley image --type`` knows."""
    import io

    try:
        import numpy
    except ImportError:
        raise ImportError("images are numpy arrays: pip install numpy") from None
    args = ["image", url, "--npy", "-o", "-", "--count", "1", *options]
    if ask is not None:
        args += ["--ask", argument(ask)]
    if shape is not None:
        args += ["--shape", f"{shape[1]}x{shape[0]}"]
    if dtype is not None:
        args += ["--type", str(numpy.dtype(dtype))]
    array: numpy.ndarray[Any, Any] = numpy.load(io.BytesIO(run(args)), allow_pickle=False)
    return array
