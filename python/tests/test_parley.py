from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest

import parley

DEVICES = Path(__file__).resolve().parents[2] / "examples" / "replies"
Starter = Callable[..., parley.Device]

PSU = """
ieee488 = true
idn = "ACME,PSU-1,42,1.0"
[state.volt]
value = 0.0
format = "%.3f"
max = 30
command = "[SOURce:]VOLTage"
unit = "V"
"""


def test_version_and_command() -> None:
    binary = parley.find_binary()
    told = subprocess.run([binary, "version"], check=True, capture_output=True, text=True).stdout
    assert told.startswith(f"parley {parley.__version__} ")
    if "PARLEY_BINARY" not in os.environ:
        on_path = shutil.which("parley", path=os.path.dirname(sys.executable))
        assert on_path is not None and os.path.samefile(on_path, binary)
    assert (Path(parley.__file__).parent / "py.typed").is_file()


def test_device(parley_device: Starter) -> None:
    psu = parley_device(PSU)
    assert psu.ask("*IDN?") == "ACME,PSU-1,42,1.0"
    assert psu.ask("VOLT 3300 mV") is None
    assert psu.ask("SOUR:VOLT?") == "3.300"
    with psu.connect() as c:
        assert c.ask("VOLT?") == "3.300"
        c.send("VOLT 31")
        assert c.ask("SYST:ERR?", timeout=10) == '-222,"Data out of range"'
    assert psu.url == f"scpi://{psu.host}:{psu.port}"


def test_devices_end_with_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        f"""
        import parley, pytest
        PSU = {PSU!r}
        urls = []
        def test_one(parley_device):
            for _ in range(3):
                urls.append(parley_device(PSU).url)
            assert len(set(urls)) == 3
        def test_two():
            for url in urls:
                with pytest.raises(parley.ConnectError):
                    parley.ask(url, "*IDN?")
        def test_log(parley_device):
            parley_device(PSU)
            assert False
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*listening on scpi://*"])


def test_pyvisa(parley_device: Starter) -> None:
    pyvisa = pytest.importorskip("pyvisa", reason="PyVISA is not installed")
    psu = parley_device(DEVICES / "power-supply.toml")
    manager = pyvisa.ResourceManager("@py")
    try:
        resource = manager.open_resource(psu.visa, read_termination="\n", write_termination="\n")
        assert "E36312A" in resource.query("*IDN?")
        resource.write("VOLT 1.5,(@1)")
        assert float(resource.query("VOLT? (@1)")) == 1.5
        resource.close()
    finally:
        manager.close()


def test_tap_and_replay(parley_device: Starter, parley_replay: Starter, tmp_path: Path) -> None:
    psu = parley_device(PSU)
    recording = tmp_path / "session.jsonl"
    with parley.tap(psu.url, record=recording, pcapng=tmp_path / "session.pcapng") as tap:
        assert tap.ask("*IDN?") == "ACME,PSU-1,42,1.0"
        said = list(tap.messages(wait=1))
        with tap.connect() as c:
            c.ask("VOLT?")
        more = list(tap.messages(wait=1))
    assert [(m.dir, m.value) for m in said] == [("c2s", "*IDN?"), ("s2c", "ACME,PSU-1,42,1.0")]
    assert [(m.conn, m.value) for m in more] == [(2, "VOLT?"), (2, "0.000")]
    psu.close()
    played = parley_replay(recording)
    for _ in range(2):
        assert played.ask("VOLT?") == "0.000"
        assert played.ask("*IDN?") == "ACME,PSU-1,42,1.0"


@pytest.mark.parametrize("value", ["text", "int:5", "grüß", b"\x00\xff", b"plain", 5, -(2**62), 1.5, float("inf"), ""])
def test_values(value: parley.Value) -> None:
    with parley.serve("serpy2://127.0.0.1:0", echo=True) as server, server.connect() as c:
        got = c.ask(value)
        assert got == value and type(got) is type(value)


@pytest.mark.parametrize("value", [{"gain": 3, "on": True}, [1, 2.5, None, "x"], None, True])
def test_objects(value: parley.Value) -> None:
    with parley.serve("serpy://127.0.0.1:0?mode=5", echo=True) as server, server.connect() as c:
        assert c.ask(value) == value


def test_iterating_ends_with_the_conversation() -> None:
    with parley.serve("oneline://127.0.0.1:0", program="head -n 3") as server, server.connect() as c:
        for text in ("a", "b", "c"):
            c.send(text)
        assert [m.value for m in c] == ["a", "b", "c"]
        with pytest.raises(parley.PeerClosed):
            c.receive()


def test_bytes_and_a_late_answer() -> None:
    with parley.serve("tinyproto://127.0.0.1:0", echo=True) as server, server.connect() as c:
        with pytest.raises(parley.ReplyTimeout):
            c.receive(timeout=0.05)
        c.send(b"late")
        assert c.receive().value == b"late"


def test_what_is_lost_is_told() -> None:
    with parley.serve("oneline://127.0.0.1:0", echo=True) as server, server.connect() as c:
        c.send(b"\xff")  # comes back, and is no text
        with pytest.raises(parley.ReplyTimeout, match="not UTF-8"):
            c.receive(timeout=2)


def test_errors() -> None:
    with pytest.raises(parley.UsageError, match="protocol"):
        parley.ask("nonsense://x:1", "x")
    with pytest.raises(parley.UsageError):
        parley.device("nowhere.toml")
    with parley.serve(echo=True) as server:
        port = server.port
        with pytest.raises(parley.ConnectError, match="in use"):
            parley.serve(server.url, echo=True)
        with server.connect() as c:
            c.send(5.5)
            with pytest.raises(ValueError):
                c.send("two\nlines")
    with pytest.raises(parley.ConnectError, match="nobody listens"):
        parley.ask(f"oneline://127.0.0.1:{port}", "x")
    with parley.connect(f"oneline://127.0.0.1:{port}") as c, pytest.raises(parley.ConnectError):
        c.receive()
    with parley.device(PSU) as psu, pytest.raises(parley.ReplyTimeout):
        psu.ask("NOTHING?", timeout=0.3)
    with pytest.raises(TypeError):
        with parley.serve(echo=True) as server, server.connect() as c:
            c.send(object())  # type: ignore[arg-type]


def test_image(parley_device: Starter) -> None:
    numpy = pytest.importorskip("numpy", reason="numpy is not installed")
    camera = parley_device(DEVICES / "camera.toml", "serpy2://127.0.0.1:0")
    frame = parley.image(camera.url, "FRAMe?", shape=(48, 64), dtype="uint16")
    assert frame.shape == (48, 64) and frame.dtype == numpy.uint16 and frame.max() > frame.mean()


def test_everything_ends() -> None:
    begun = time.monotonic()
    with parley.serve("scpi://127.0.0.1:0", echo=True) as server, server.connect(), server.connect():
        pass
    assert time.monotonic() - begun < 10
