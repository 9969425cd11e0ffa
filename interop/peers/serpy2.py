import serpy2


class Serpy2(Driver):
    def listen(self):
        self.server = serpy2.Server("127.0.0.1", PORT).start()
        return listening.get(timeout=PATIENCE)

    def accept(self):
        """Waits for the first connection, which is then the current one."""
        until(lambda: len(self.server.getConnectionsList()) > 0)
        self.conn = self.server.getConnectionsList()[0]

    def connect(self, port):
        self.conn = serpy2.Connection().connect("127.0.0.1", port)

    def send(self, value, times=1):
        value = self.evaluate(value)
        for _ in range(times):
            self.conn.sendData(value, timeout=PATIENCE)

    def recv(self):
        self.got = self.conn.getData(timeout=PATIENCE)
        return describe(self.got)

    def close(self):
        self.conn.close()

    def stop(self):
        self.server.closeServer()

    def broken(self):
        """Waits until the current connection is known to be broken."""
        until(lambda: not self.conn.isConnected())


follow(Serpy2())
