from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from typing import Any, Optional, Sequence

from ._binary import find_binary
from ._errors import ParleyError, PeerClosed, ReplyTimeout, error_of

KEPT = 200  # lines of standard error


class Process:
    """A command that goes on, what it prints in JSON, and what it says besides."""

    def __init__(self, args: Sequence[str], stdin: bool = False) -> None:
        self.args = ["parley", *args]
        self._stderr: list[str] = []
        self._silent = False  # nothing more comes on standard error
        self._said = threading.Condition()
        self._lines: queue.Queue[Optional[str]] = queue.Queue()
        self._process = subprocess.Popen(
            [find_binary(), *args],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self._readers = [threading.Thread(target=f, daemon=True) for f in (self._read_out, self._read_err)]
        for reader in self._readers:
            reader.start()

    def _read_out(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _read_err(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._said:
                self._stderr.append(line)
                del self._stderr[:-KEPT]
                self._said.notify_all()
        with self._said:
            self._silent = True
            self._said.notify_all()

    @property
    def stderr(self) -> str:
        """What it has written to standard error, the last 200 lines."""
        with self._said:
            return "".join(self._stderr)

    def await_stderr(self, prefix: str, timeout: float) -> str:
        """Return the first line on standard error that begins with prefix."""

        def found() -> Optional[str]:
            return next((line for line in self._stderr if line.startswith(prefix)), None)

        with self._said:
            self._said.wait_for(lambda: found() or self._silent, timeout)
            line, silent = found(), self._silent
        if line is not None:
            return line
        if silent:
            raise self.failure()
        self.stop()
        raise ReplyTimeout(f"{' '.join(self.args)}: it was not ready within {timeout} s\n{self.stderr}", 4)

    def failure(self) -> ParleyError:
        """Return why it has ended by itself."""
        code = self._process.wait(30)
        self._readers[1].join(30)
        if code == 0:
            return PeerClosed("the peer has ended the conversation", 0)
        return error_of(code, self.stderr)

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except OSError:
            raise self.failure() from None

    def read(self, timeout: Optional[float]) -> dict[str, Any]:
        """Return the next line of JSON. What does not come within timeout seconds is a
        ReplyTimeout; it may still be read later."""
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            said = "".join(f"\n  {line.rstrip()}" for line in self.stderr.splitlines()[-3:])
            raise ReplyTimeout(f"nothing has come within {timeout} s{said}", 4) from None
        if line is None:
            self._lines.put(None)
            raise self.failure()
        record = json.loads(line)
        assert isinstance(record, dict)
        return record

    def _leave(self, line: str) -> None:
        try:
            self.write(line)
            self._process.wait(10)
        except (ParleyError, subprocess.TimeoutExpired):
            pass

    def stop(self, leave: str = "") -> int:
        """End it and return its exit code: with a line on its standard input if there is
        one, else, or if it does not go, as a service manager would."""
        if leave and self._process.poll() is None:
            self._leave(leave)
        if self._process.stdin is not None:
            try:
                self._process.stdin.close()
            except OSError:
                pass
        if self._process.poll() is None:
            if sys.platform == "win32":
                self._process.terminate()
            else:
                self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        for reader in self._readers:
            reader.join(5)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return code


def run(args: Sequence[str], stdin: bytes = b"", timeout: Optional[float] = None) -> bytes:
    """Run the command to its end and return what it has printed."""
    try:
        done = subprocess.run([find_binary(), *args], input=stdin, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise ReplyTimeout(f"parley {' '.join(args)}: it did not end within {timeout} s", 4) from None
    if done.returncode != 0:
        raise error_of(done.returncode, done.stderr.decode("utf-8", "replace"))
    return done.stdout
