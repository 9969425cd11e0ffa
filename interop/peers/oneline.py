from socket_oneline import OnelineClient, OnelineServer


class Oneline(Driver):
    def listen(self, answer):
        """Serves. answer is a function of a command that returns the responses."""
        answer = self.evaluate(answer)
        self.commands = queue.Queue()
        self.server = OnelineServer()

        def callback(command, invalid):
            self.commands.put((command, invalid))
            for response in answer(command):
                self.server.send(response)

        if not self.server.start("127.0.0.1", PORT, callback, None, False):
            raise OSError("start() failed")
        return listening.get(timeout=PATIENCE)

    def command(self):
        """The next command that has reached the callback."""
        command, invalid = self.commands.get(timeout=PATIENCE)
        return {"value": describe(command), "invalid": bool(invalid)}

    def ended(self):
        """Waits until the server has ended, as after a shutdown."""
        until(lambda: not self.server.is_running)

    def connect(self, port):
        self.client = OnelineClient()
        if not self.client.init("127.0.0.1", port, None, False):
            raise OSError("init() failed")
        return self.client.connect()

    def send(self, value):
        self.client.send(self.evaluate(value))

    def recv(self, timeout=PATIENCE):
        self.got = self.client.recv(timeout)
        return describe(self.got)

    def disconnect(self):
        self.client.disconnect()

    def shutdown(self):
        self.client.shutdown()


follow(Oneline())
