"""PyVISA-py with each pair of terminators, at devices that are told of them and at
one that finds out by itself.

Arguments: for each device what ends a question, what ends an answer, its port;
"any" and "same" are found out.
"""
import sys

import pyvisa

ENDS = {"crlf": "\r\n", "lf": "\n", "cr": "\r"}
manager = pyvisa.ResourceManager("@py")
pairs = 0


def talk(write, read, port):
    i = manager.open_resource(f"TCPIP0::127.0.0.1::{port}::SOCKET", write_termination=write, read_termination=read, timeout=20000)
    for _ in range(3):
        answer = i.query("*IDN?")
        # Where it is found out, what ends with CR is answered with CR LF until it is certain.
        assert answer.lstrip("\n") == "HEWLETT-PACKARD,34401A,0,parley", (write, read, answer)
    i.write("*CLS")
    block = "X" * 70000
    i.write(block)
    assert i.query("SYST:ERR?").startswith("-112,"), (write, read)
    assert i.query("*OPC?;*OPC?") == "1;1"
    i.close()


for end, send, port in zip(sys.argv[1::3], sys.argv[2::3], sys.argv[3::3]):
    for write in ENDS.values() if end == "any" else [ENDS[end]]:
        talk(write, write if send == "same" else ENDS[send], port)
        pairs += 1
print(f"{pairs} pairs: ok")
