"""An echo between zeros, stuffed by the package cobs."""
import socket

from cobs import cobs

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    conn, _ = listener.accept()
    rest = b""
    while data := conn.recv(65536):
        *frames, rest = (rest + data).split(b"\0")
        for frame in frames:
            conn.sendall(cobs.encode(cobs.decode(frame)) + b"\0")
    conn.close()
