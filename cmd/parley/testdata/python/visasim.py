"""Asks each device of a definition file of pyvisa-sim twice: in pyvisa-sim, and
as parley plays it, through PyVISA-py. Prints where the two differ.

Arguments: the file, and for each device its name and port.
"""
import re
import sys
import warnings

import pyvisa
import yaml
from pyvisa.errors import VisaIOError

warnings.simplefilter("ignore")
path, ports = sys.argv[1], dict(zip(sys.argv[2::2], sys.argv[3::2]))
data = yaml.load(open(path, encoding="utf-8"), Loader=yaml.BaseLoader)


def resource_of(name):
    """A resource of pyvisa-sim that is this device, TCPIP if there is one."""
    names = [r for r, d in data["resources"].items() if d["device"] == name]
    return next((r for r in names if r.startswith("TCPIP")), names[0])


def ends_of(resource, device):
    """What ends a query and an answer there, and at parley's socket."""
    eom = device.get("eom", {})
    kind = resource.split(":")[0].rstrip("0123456789") + " " + resource.split("::")[-1]
    there = eom.get(kind, {"q": "\n", "r": "\n"})
    first = next(iter(eom.values()), {"q": "\n", "r": "\n"})
    here = eom.get("TCPIP SOCKET", eom.get("TCPIP INSTR", first))
    text = lambda s: s.replace("\\r", "\r").replace("\\n", "\n")
    return [(text(e["q"]), text(e["r"])) for e in (there, here)]


def fill(query, value):
    """A query with a value in its place, and channel 1, 2 or one that is not there."""
    for channel in ("1", "2", "9") if "{ch_id}" in query else ("",):
        yield re.sub(r"\{[^}]*\}", value, query.replace("{ch_id}", channel))


def queries(component):
    for d in component.get("dialogues", ()):
        yield from fill(d["q"], "")
    for p in component.get("properties", {}).values():
        getter = list(fill(p["getter"]["q"], "")) if "getter" in p else []
        yield from getter
        if "setter" not in p:
            continue
        specs = p.get("specs", {})
        values = ["", "0", "1", "1.0", "2.5", "-1.0", "+3", "1e1", "1.00e+01", "99999999.0", "x", " 2.0", "2.0 ", "0x10", "P25V"]
        values += [specs[k] for k in ("min", "max") if k in specs] + list(specs.get("valid", ()))
        values += [specs[k] + ".0" for k in ("min", "max") if k in specs]
        for value in values:
            for query in fill(p["setter"]["q"], value):
                yield query
                yield from getter
                yield from errors


def lines(instrument, query):
    """What pyvisa-sim answers to a query; an exception is no answer."""
    try:
        instrument.write(query)
    except Exception:  # as its own tests expect for a bad RANDOM
        pass
    out = []
    while True:
        try:
            out.append(instrument.read())
        except (VisaIOError, Exception):
            return out


def shape(text):
    """A text without signs and digits, for random values."""
    return re.sub(r"\d", "9", re.sub(r"-?\d+\.", "9.", text))


different = asked = 0
sim, real = pyvisa.ResourceManager(path + "@sim"), pyvisa.ResourceManager("@py")
for name, port in ports.items():
    device = data["devices"][name]
    resource = resource_of(name)
    there, here = ends_of(resource, device)
    a = sim.open_resource(resource, timeout=15, write_termination=there[0], read_termination=there[1])
    b = real.open_resource(f"TCPIP0::127.0.0.1::{port}::SOCKET", timeout=20000, write_termination=here[0], read_termination=here[1])
    error = device.get("error", {})
    errors = []
    if isinstance(error, dict):
        errors = [r["q"] for kind in ("status_register", "error_queue") for r in error.get(kind, ())]
    all = errors + list(queries(device))
    for channels in device.get("channels", {}).values():
        all += queries(channels)
    good = [q for q in all if q][:4]
    all += ["", ";", "nonsense", "*idn?", ";".join(good), good[0] + ";nonsense;" + good[-1], good[0] + "; " + good[-1]]
    all += errors
    for query in all:
        want = lines(a, query)
        b.write(query)
        got = [b.read() for _ in want]
        asked += 1
        random = "RANDOM" in str(device) and [shape(x) for x in want] == [shape(x) for x in got]
        if got != want and not random:
            different += 1
            print(f"{name}: {query!r}: pyvisa-sim {want}, parley {got}")
    b.timeout = 300
    try:
        print(f"{name}: parley has said more: {b.read()!r}")
        different += 1
    except VisaIOError:
        pass
    a.close()
    b.close()
print(f"{asked} queries, {different} answers differ")
sys.exit(different > 0)
