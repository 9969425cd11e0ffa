"""Fixtures for pytest, there as soon as the package is installed."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import Any, Callable, Iterator

import pytest

from ._server import Device, device, replay


def _starter(start: Callable[..., Device]) -> Iterator[Callable[..., Device]]:
    started: list[Device] = []
    with ExitStack() as stack:

        def begin(*args: Any, **kwargs: Any) -> Device:
            one = stack.enter_context(start(*args, **kwargs))
            started.append(one)
            return one

        yield begin
    for one in started:  # pytest shows it where the test has failed
        sys.stderr.write(one.log)


@pytest.fixture
def parley_device() -> Iterator[Callable[..., Device]]:
    """Start simulated devices, as parley.device does; they end with the test."""
    yield from _starter(device)


@pytest.fixture
def parley_replay() -> Iterator[Callable[..., Device]]:
    """Play recordings, as parley.replay does; they end with the test."""
    yield from _starter(replay)
