from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Mapping, Union

Value = Union[str, bytes, int, float, bool, None, "list[Any]", "dict[str, Any]"]
"""A message's value: text, bytes, a number, or what JSON can carry (on serpy)."""


@dataclass(frozen=True)
class Message:
    """A message, as one side has said it."""

    value: Value
    """What was said: its type is the message's."""
    kind: str
    """bytes, text, int, float or object."""
    dir: str = "in"
    """"in" for what has come; of a tap "c2s", from the client to the server, or "s2c"."""
    conn: int = 1
    """Which connection, counted from 1."""
    ts: str = ""
    """When it was seen, RFC 3339."""


def message_of(record: Mapping[str, Any]) -> Message:
    """Return the message of a line that the command has printed with --json."""
    kind = str(record["kind"])
    value: Value
    if "json" in record:
        value = record["json"]
    elif kind == "int":
        value = int(record["text"])
    elif kind == "float":
        value = float(record["text"])
    elif kind == "bytes" and "b64" not in record:
        value = str(record["text"]).encode("utf-8")
    elif "b64" in record:
        value = base64.b64decode(record["b64"])
    else:
        value = record["text"]
    return Message(value, kind, str(record.get("dir", "in")), int(record.get("conn", 1)), str(record.get("ts", "")))


def argument(value: Value) -> str:
    """Return a value as the command takes it: on one line, with its type in front."""
    if isinstance(value, str):
        if "\n" in value or "\r" in value or "\0" in value:
            raise ValueError("a text with a line end or a NUL can't be sent from here: send it as bytes")
        return "text:" + value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "hex:" + bytes(value).hex()
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        return "json:" + json.dumps(value)
    if isinstance(value, int):
        return f"int:{value}"
    if isinstance(value, float):
        return f"float:{value!r}"
    raise TypeError(f"a message can't be of the type {type(value).__name__}")
