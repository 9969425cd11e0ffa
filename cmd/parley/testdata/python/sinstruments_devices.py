"""Three devices in a server of sinstruments: at a TCP port, at one that ends its
lines with CR, and at a serial port.

Prints the two ports; the argument is what the serial port is called.
"""
import sys

import gevent
from sinstruments.simulator import BaseDevice, create_server_from_config


class Supply(BaseDevice):
    volt = "0"

    def handle_message(self, message):
        question, _, value = message.strip().decode().partition(" ")
        end = self.newline
        if question == "*IDN?":
            yield b"ACME,SUPPLY," + self.name.encode() + b",1.0" + end
        elif question == "VOLT":
            self.volt = value
        elif question == "VOLT?":
            yield self.volt.encode() + end
        elif question == "LOG?":  # an answer in pieces, and of several lines
            yield b"on" + end + b"o"
            gevent.sleep(0.05)
            yield b"ff" + end + b"END" + end
        elif question == "CURV?":
            yield b"#14\x0a\x0d#1" + end
        elif question == "*TST?":
            gevent.sleep(0.3)
            yield b"0" + end


def device(name, transport, **options):
    return {"class": "Supply", "package": "__main__", "name": name, "transports": [transport], **options}


server = create_server_from_config({"devices": [
    device("tcp", {"type": "tcp", "url": ["127.0.0.1", 0]}),
    device("cr", {"type": "tcp", "url": ["127.0.0.1", 0]}, newline=b"\r"),
    device("serial", {"type": "serial", "url": sys.argv[1], "baudrate": 9600}),
]})
tasks = server.start()
gevent.sleep(0.1)
print(*(server.get_device_by_name(n).transports[0].server_port for n in ("tcp", "cr")), flush=True)
gevent.joinall(tasks)
