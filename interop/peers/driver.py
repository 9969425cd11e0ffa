"""What the drivers of all originals share.

A driver is a thin program around an original. It reads one JSON object per
line, {"do": METHOD, ARGUMENT: VALUE ...}, calls that method of its Driver and
writes one line back, {"ok": RESULT} or {"error": TEXT}. At the end of its
input it ends. The test runs this file and the driver's own as one program.
"""
import hashlib
import json
import math
import os
import queue
import socket
import struct
import sys
import threading
import time
import traceback

PATIENCE = 240  # seconds a method waits for what must come

# The originals print, and call exit() in their threads, which closes sys.stdin.
requests = os.fdopen(os.dup(0), encoding="utf-8")
replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)

# The originals are told this port; the socket that they make listens where the
# system chooses, so no port has to be guessed free.
PORT = 1
listening = queue.Queue()


class Socket(socket.socket):
    fixed = 0  # not 0: the port to listen on after all

    def bind(self, address):
        super().bind((address[0], self.fixed))

    def listen(self, *args):
        super().listen(*args)
        listening.put(self.getsockname()[1])


socket.socket = Socket

# What ended a thread of an original, as TYPE: TEXT.
deaths = queue.Queue()


def died(args):
    if args.exc_type is SystemExit:
        return
    traceback.print_exception(args.exc_type, args.exc_value, args.exc_traceback)
    deaths.put("%s: %s" % (args.exc_type.__name__, args.exc_value))


threading.excepthook = died


def mix(n):
    """n bytes in which every value occurs, and no piece repeats soon."""
    row = bytes(range(256)) * 2
    rows = (row[(k + (k >> 8)) & 255:][:256] for k in range(n // 256 + 1))
    return b"".join(rows)[:n]


def az(n):
    """A text of n letters."""
    return ("abcdefghijklmnopqrstuvwxyz" * (n // 26 + 1))[:n]


def describe(v):
    """Tells the test about a value: its type, its length, and what it is."""
    if type(v) is bytes:
        kind, raw, text = "bytes", v, v[:1000].hex()
    elif type(v) is str:
        kind, raw, text = "text", v.encode(), v
    else:
        kind, text = {int: "int", float: "float"}.get(type(v), "object"), repr(v)
        if kind == "float" and v == v:
            text = struct.pack(">d", v).hex()
        raw = text.encode()
    if len(raw) > 1000:
        text = "sha256 " + hashlib.sha256(raw).hexdigest()
    return {"type": kind, "len": len(raw), "text": text}


def until(condition):
    """Polls a condition of which the original sends no word."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("waited %d s in vain" % PATIENCE)
        time.sleep(0.005)


class Driver:
    got = None  # the value received last

    def evaluate(self, text):
        return eval(text, globals(), {"got": self.got})

    def look(self, text):
        """Describes an expression, in which got is the value received last."""
        return describe(self.evaluate(text))

    def death(self):
        """Why a thread of the original died."""
        return deaths.get(timeout=PATIENCE)


def follow(driver):
    for line in requests:
        arguments = json.loads(line)
        try:
            reply = {"ok": getattr(driver, arguments.pop("do"))(**arguments)}
        except Exception as e:
            traceback.print_exc()
            reply = {"error": "%s: %s" % (type(e).__name__, e)}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
    os._exit(0)  # the originals' threads would keep the process
