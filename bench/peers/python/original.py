"""A server on one of the original packages.

    original.py oneline|tinyproto|serpy|serpy2 PORT echo|sink

echo sends each message back; sink takes messages that begin with their number,
8 bytes little-endian, and ends when one does not.
"""
import os
import sys
import threading

kind, port, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def wait():
    threading.Event().wait()


class Numbers:
    """Checks what a sink gets."""

    last = 0

    def take(self, message):
        self.last += 1
        if int.from_bytes(message[:8], "little") != self.last:
            print("message %d is not as it was sent" % self.last, file=sys.stderr)
            os._exit(1)


def oneline():
    from socket_oneline import OnelineServer

    server = OnelineServer()
    if not server.start("127.0.0.1", port, lambda command, invalid: server.send(command), None, False):
        sys.exit("start() failed")
    wait()


def tiny():
    import tinyproto

    class Connection(tinyproto.TinyProtoConnection):
        def pre_loop(self):
            self.numbers = Numbers()

        def transmission_received(self, msg):
            if mode == "echo":
                self.transmit(bytes(msg))
            else:
                self.numbers.take(msg)

    if hasattr(tinyproto, "TinyProtoConnectionDetails"):
        details = tinyproto.TinyProtoConnectionDetails("127.0.0.1", port)
        server = tinyproto.TinyProtoServer([details], Connection)
    else:
        server = tinyproto.TinyProtoServer()
        server.set_conn_handler(Connection)
        server.add_addr("127.0.0.1", port)
    server.start()


def queues(package, send):
    server = package.Server("127.0.0.1", port)
    server.start()

    def serve(conn):
        while conn.isConnected():
            try:
                value = conn.getData(timeout=1)
            except Exception:
                continue
            if value is not None:
                send(conn, value)

    served = set()
    while True:
        for conn in server.getConnectionsList():
            if id(conn) not in served:
                served.add(id(conn))
                threading.Thread(target=serve, args=(conn,), daemon=True).start()
        threading.Event().wait(0.02)


def serpy():
    import serpy as package

    queues(package, lambda conn, value: conn.sendData(value.decode("ascii"), 0))


def serpy2():
    import serpy2 as package

    queues(package, lambda conn, value: conn.sendData(value))


{"oneline": oneline, "tinyproto": tiny, "serpy": serpy, "serpy2": serpy2}[kind]()
