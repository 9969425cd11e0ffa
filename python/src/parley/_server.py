from __future__ import annotations

import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Iterator, Optional, Sequence, TypeVar, Union
from urllib.parse import urlsplit

from ._client import Asker, Connection, ask, connect
from ._errors import PeerClosed, ReplyTimeout
from ._message import Message, Value, message_of
from ._process import Process

PathLike = Union[str, "os.PathLike[str]"]
Self = TypeVar("Self", bound="Server")

READY = "listening on "


class Server:
    """Something that listens, from ``with`` to its end. Port 0 takes a free one."""

    url: str
    """Where it listens, as clients dial it."""

    def __init__(self, args: Sequence[str], timeout: float = 30) -> None:
        self._askers: dict[tuple[float, tuple[str, ...]], Asker] = {}
        self._process = Process(args)
        line = self._process.await_stderr(READY, timeout)
        self.url = line[len(READY):].split()[0]

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]) -> None:
        self.close()

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    @property
    def visa(self) -> str:
        """Its VISA name, for PyVISA's ``open_resource``."""
        return f"TCPIP0::{self.host}::{self.port}::SOCKET"

    @property
    def log(self) -> str:
        """What it has written to standard error, the last 200 lines."""
        return self._process.stderr

    def ask(self, question: Value, *, timeout: float = 30, options: Sequence[str] = ()) -> Value:
        """Ask it one question; see parley.ask.

        On scpi and line one connection is kept for the questions that are text, so that
        each finds what the one before has set."""
        if self.url.startswith(("scpi:", "line:")) and isinstance(question, str) and question and not set(question) & set("\r\n\0"):
            how = (timeout, tuple(options))
            if how not in self._askers:
                self._askers[how] = Asker(self.url, timeout, options)
            return self._askers[how].ask(question)
        return ask(self.url, question, timeout=timeout, options=options)

    def connect(self, *, timeout: float = 30, options: Sequence[str] = ()) -> Connection:
        """Connect to it; see parley.connect."""
        return connect(self.url, timeout=timeout, options=options)

    def close(self) -> None:
        """End it; what is under way may finish."""
        for asker in self._askers.values():
            asker.close()
        self._process.stop()


class Device(Server):
    """A simulated device."""


class Tap(Server):
    """A tap: clients of it reach its target, and what is said is seen here."""

    def messages(self, wait: Optional[float] = None) -> Iterator[Message]:
        """Yield what both sides say, until nothing has been said for wait seconds (None:
        until the tap is closed). A message that comes later is yielded by the next call."""
        while True:
            try:
                record = self._process.read(wait)
            except (PeerClosed, ReplyTimeout):
                return
            yield message_of(record)


def serve(url: str = "oneline://127.0.0.1:0", *, echo: bool = False, relay: bool = False, files: Optional[PathLike] = None,
          writable: bool = False, program: Optional[str] = None, options: Sequence[str] = ()) -> Server:
    """Start a server that sends everything back (echo), passes everything on to the
    others (relay), serves the files of a folder (tinyproto), or runs a program for each
    connection. options are more flags of ``parley serve``."""
    args = ["serve", url, *options]
    if echo:
        args.append("--echo")
    if relay:
        args.append("--relay")
    if files is not None:
        args += ["--files", os.fspath(files)]
    if writable:
        args.append("--writable")
    if program is not None:
        args += ["--exec", program]
    return Server(args)


def device(replies: PathLike, url: str = "scpi://127.0.0.1:0", *, name: Optional[str] = None, fault: Optional[str] = None,
           options: Sequence[str] = ()) -> Device:
    """Start a simulated device.

    replies is a file as ``parley help replies`` describes it, TOML or YAML of
    pyvisa-sim, or such TOML itself, if it has a line end. name chooses a device of a file
    that has several; fault is, for instance, ``"drop=0.01,late=0.01,seed=1"``."""
    text = os.fspath(replies)
    written: Optional[str] = None
    if "\n" in text:
        handle, written = tempfile.mkstemp(suffix=".toml", prefix="parley-")
        with os.fdopen(handle, "w", encoding="utf-8") as f:
            f.write(text)
        text = written
    args = ["serve", url, "--replies", text, *options]
    if name is not None:
        args += ["--device", name]
    if fault is not None:
        args += ["--fault", fault]
    try:
        return Device(args)
    finally:
        if written is not None:
            Path(written).unlink()


def replay(recording: PathLike, url: str = "scpi://127.0.0.1:0", *, any_order: bool = True, loop: bool = True, speed: float = 0,
           options: Sequence[str] = ()) -> Device:
    """Play the server of a recording of ``parley tap --record``.

    A request is answered as in the recording, whatever comes first and as often as it
    comes; any_order=False wants the recorded order, loop=False each once. speed 1 waits
    as long as the original took, 0 not at all."""
    args = ["replay", os.fspath(recording), "--as-server", url, "--speed", str(speed), *options]
    if any_order:
        args.append("--any-order")
    if loop:
        args.append("--loop")
    return Device(args)


def tap(target: str, url: Optional[str] = None, *, record: Optional[PathLike] = None, pcapng: Optional[PathLike] = None,
        options: Sequence[str] = ()) -> Tap:
    """Listen, pass everything on to target, and show what is said. record keeps it for
    replay, pcapng for Wireshark; such a file must not be there yet."""
    if url is None:
        scheme = target.split("://")[0].split("+")[0] if "://" in target else "scpi"
        url = f"{scheme}://127.0.0.1:0"
    args = ["tap", url, target, "--json", "--cut", "0", *options]
    if record is not None:
        args += ["--record", os.fspath(record)]
    if pcapng is not None:
        args += ["--pcapng", os.fspath(pcapng)]
    return Tap(args)
