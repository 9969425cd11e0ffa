import tinyproto

V3 = hasattr(tinyproto, "TinyProtoConnectionDetails")


def mark(byte):
    """A plugin that puts a byte behind the message, and wants it there."""

    class Mark(tinyproto.TinyProtoPlugin):
        def msg_transmit(self, msg):
            return bytes(msg) + byte

        def msg_receive(self, msg):
            if bytes(msg[-1:]) != byte:
                raise ValueError("no %r at the end of %r" % (byte, bytes(msg)))
            return bytes(msg[:-1])

    return Mark


def plug(owner, marks):
    for letter in marks:
        owner.register_connection_plugin(mark(letter.encode()))


class TinyProto(Driver):
    def __init__(self):
        driver = self
        self.opened = queue.Queue()

        class Connection(tinyproto.TinyProtoConnection):
            def pre_loop(self):
                self.jobs, self.messages = queue.Queue(), queue.Queue()
                driver.opened.put(self)

            # Messages are transmitted on the connection's own thread; version
            # 2 knows no other way.
            def loop_pass(self):
                while not self.jobs.empty():
                    values, done = self.jobs.get()
                    try:
                        for value in values:
                            self.transmit(value)
                    except Exception as e:
                        done.put(e)
                        raise
                    done.put(None)

            def transmission_received(self, msg):
                self.messages.put(bytes(msg))
                if driver.echo:
                    self.transmit(bytes(msg))

        self.Connection = Connection

    def listen(self, echo=False, limit=0, marks=""):
        self.echo = echo
        if V3:
            self.server = tinyproto.TinyProtoServer(
                [tinyproto.TinyProtoConnectionDetails("127.0.0.1", PORT)], self.Connection)
        else:
            self.server = tinyproto.TinyProtoServer()
            self.server.set_conn_handler(self.Connection)
            self.server.add_addr("127.0.0.1", PORT)
        if limit:
            self.server.connection_limit = limit
        plug(self.server, marks)
        threading.Thread(target=self.server.start, daemon=True).start()
        return listening.get(timeout=PATIENCE)

    def accept(self):
        """Waits for the next connection, which is then the current one."""
        self.conn = self.opened.get(timeout=PATIENCE)

    def dial(self, port, marks="", echo=False):
        """Connects, without waiting for the hello."""
        self.echo = echo
        self.client = tinyproto.TinyProtoClient()
        self.client.set_conn_handler(self.Connection)
        plug(self.client, marks)
        if V3:
            self.client.connect_to(tinyproto.TinyProtoConnectionDetails("127.0.0.1", port))
        else:
            self.client.connect_to("127.0.0.1", port)

    def connect(self, port, marks="", echo=False):
        self.dial(port, marks, echo)
        self.accept()

    def send(self, value, times=1):
        done = queue.Queue()
        self.conn.jobs.put(([self.evaluate(value)] * times, done))
        error = done.get(timeout=PATIENCE)
        if error:
            raise error

    def recv(self):
        self.got = self.conn.messages.get(timeout=PATIENCE)
        return describe(self.got)

    def join(self, count):
        """Describes the next count messages, put together."""
        self.got = b"".join(self.conn.messages.get(timeout=PATIENCE) for _ in range(count))
        return describe(self.got)

    def close(self):
        self.conn.shutdown = True

    def stop(self):
        self.server.shutdown = True

    def ended(self):
        """Waits until the current connection has ended."""
        until(lambda: not self.conn.is_alive())


follow(TinyProto())
