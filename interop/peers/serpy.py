import serpy


class Serpy(Driver):
    def listen(self, port=0, encoding="ascii", unpickle=True):
        Socket.fixed = port
        self.server = serpy.Server("127.0.0.1", PORT, 5, encoding, unpickle).start()
        return listening.get(timeout=PATIENCE)

    def accept(self):
        """Waits for the next connection, which is then the current one."""
        self.conn = self.server.newConn.get(timeout=PATIENCE)  # getConnection() with a timeout

    def connect(self, port, encoding="ascii", unpickle=True, restart=False):
        self.conn = serpy.Connection(encoding=encoding, auto_restart=restart, allow_unpickle=unpickle)
        self.conn.connect("127.0.0.1", port)

    def send(self, value, mode=0, times=1, force=False):
        """Returns what sendData returns: True when the peer has acknowledged."""
        value = self.evaluate(value)
        for _ in range(times):
            result = self.conn.sendData(value, mode, PATIENCE, force_mode=force)
        return result

    def recv(self):
        self.got = self.conn.getData(timeout=PATIENCE)
        return {"value": describe(self.got), "mode": self.conn.in_mode}

    def close(self):
        self.conn.close()

    def stop(self):
        self.server.closeServer()

    def broken(self):
        """Waits until the current connection is known to be broken."""
        until(lambda: not self.conn.isConnected())


follow(Serpy())
