"""Uses the devices of examples/replies with what people use them with: PyVISA-py
in its defaults, drivers of pymeasure as they are, pyserial.

Arguments: a name and a port for each device.
"""
import sys
import warnings

import pyvisa

warnings.simplefilter("ignore")
ports = dict(zip(sys.argv[1::2], sys.argv[2::2]))
manager = pyvisa.ResourceManager("@py")


def address(name):
    return f"TCPIP0::127.0.0.1::{ports[name]}::SOCKET"


def open(name, **options):
    return manager.open_resource(address(name), timeout=20000, **options)


def same(got, want):
    assert got == want, f"{got!r}, want {want!r}"


def near(got, want, by):
    assert abs(got - want) <= by, f"{got!r}, want {want!r}"


def plain_pyvisa():
    for end in ("\r\n", "\n", "\r"):  # CR LF is PyVISA's default
        options = {} if end == "\r\n" else {"write_termination": end}
        i = open("power-supply", read_termination=end, **options)
        same(i.write_termination, end)
        same(i.query("*IDN?").split(",")[1], "E36312A")
        # What ends with CR is answered with CR LF until it is certain: one LF is left over.
        same(i.query("*CLS;*OPC?;SYST:ERR?").lstrip("\n"), '1;0,"No error"')
        same(i.query(":VOLT 1.5,(@1);VOLT? (@1);*OPC?"), "+1.50000000E+00;1")
        i.write("X" * 300000)
        same(i.query("SYST:ERR?"), '-112,"Program mnemonic too long"')
        i.close()


def several_clients():
    all = [open("power-supply", read_termination="\r\n") for _ in range(5)]
    for n, i in enumerate(all):
        i.write(f"CURR 0.{n + 1},(@2)")
    same(all[0].query("*OPC?"), "1")
    assert len({i.query("CURR? (@2)") for i in all}) == 1, "they see one state"
    for i in all:
        i.close()


def blocks():
    i = open("camera", read_termination="\n", write_termination="\n")
    frame = i.query_binary_values("IMAGe:DATA?", datatype="H", is_big_endian=False)
    same(len(frame), 64 * 48)
    assert max(frame) > 300, "a spot of light"
    for _ in range(20):  # the bytes 0A, 0D and 3B among them
        i.write("IMAGe:DATA?")
        raw = i.read_raw()
        while len(raw) < 6 + 64 * 48 * 2 + 1:
            raw += i.read_raw()
        same(raw[:6], b"#46144")
    i.close()
    i = open("oscilloscope", read_termination="\n", write_termination="\n")
    setup = bytes(range(256)) * 4
    i.write_binary_values(":SYST:SETup ", setup, datatype="B")
    same(bytes(i.query_binary_values(":SYST:SETup?", datatype="B")), setup)
    same(i.query("*OPC?;SYST:ERR?"), '1;0,"No error"')
    i.close()


def power_supply():
    from pymeasure.instruments.keysight import KeysightE36312A

    p = KeysightE36312A(address("power-supply"), visa_library="@py", read_termination="\n", timeout=20000)
    same(p.id.split(",")[1], "E36312A")
    p.clear()
    p.reset()
    p.ch_1.voltage_setpoint = 5
    p.ch_1.current_limit = 1.5
    p.ch_1.output_enabled = True
    same([p.ch_1.voltage_setpoint, p.ch_1.current_limit, p.ch_1.output_enabled], [5, 1.5, True])
    near(p.ch_1.voltage, 5, 0.01)
    near(p.ch_1.current, 0.05, 0.001)
    p.ch_2.voltage_setpoint = 24
    p.ch_2.output_enabled = True
    near(p.ch_2.voltage, 10, 0.01)  # 100 ohms, and a limit of 0.1 A
    same(p.ch_3.voltage, 0)
    same([p.complete, p.check_errors()], ["1", []])
    p.write("VOLT 10, (@1)")
    same([e[0] for e in p.check_errors()], [-222])
    p.shutdown()


def multimeter():
    from pymeasure.instruments.hp import HP34401A

    d = HP34401A(address("multimeter"), visa_library="@py", read_termination="\n", timeout=20000)
    same(d.id.split(",")[1], "34401A")
    near(d.reading, 1.25, 0.01)
    d.function_ = "R2W"
    same(d.function_, "R2W")
    near(d.reading, 4700, 1)
    d.function_ = "DCV"
    d.nplc = 0.2
    d.range_ = 1
    d.autozero_enabled = False
    d.sample_count, d.trigger_count, d.trigger_source = 5, 2, "IMM"
    same([d.nplc, d.range_, d.autozero_enabled, d.sample_count, d.trigger_source], [0.2, 1, False, 5, "IMM"])
    same(len(d.reading), 10)
    d.displayed_text = "HELLO"
    same(d.displayed_text, "HELLO")
    d.beep()
    d.remote_control_enabled = True
    same([d.terminals_used, d.self_test_result, d.check_errors()], ["FRONT", 0, []])
    d.shutdown()


def oscilloscope():
    from pymeasure.instruments.keysight import KeysightDSOX1102G

    s = KeysightDSOX1102G(address("oscilloscope"), visa_library="@py", read_termination="\n")
    s.adapter.connection.timeout = 20000
    same(s.id.split(",")[1], "DSO-X 1102G")
    s.default_setup()
    s.autoscale()
    s.ch1.setup(bwlimit=False, coupling="dc", display=True, invert=False, label="SINE", offset=0.0, probe_attenuation=1, scale=0.5)
    same([s.ch1.scale, s.ch1.coupling, s.ch1.label], [0.5, "dc", '"SINE"'])
    same(s.ch2.current_configuration["COUP"], "DC")
    s.timebase_setup(mode="main", offset=0.0, horizontal_range=0.002)
    same(s.timebase["MODE"], "MAIN")
    s.digitize("channel1")
    data, preamble = s.download_data(source="channel1", points=1000)
    same([len(data), preamble["points"], preamble["format"]], [1000, 1000, "BYTE"])
    near(max(data), 2, 0.1)
    near(min(data), -2, 0.1)
    same(s.download_image()[:4], b"\x89PNG")
    same(s.check_errors(), [])
    s.shutdown()


def pyserial():
    import serial

    with serial.serial_for_url(f"socket://127.0.0.1:{ports['multimeter']}", timeout=20) as port:
        port.write(b"*IDN?\r\n*OPC?\r\n")
        same(port.readline()[:15], b"HEWLETT-PACKARD")
        same(port.readline(), b"1\r\n")


failed = 0
for use in (plain_pyvisa, several_clients, blocks, power_supply, multimeter, oscilloscope, pyserial):
    try:
        use()
        print(f"{use.__name__}: ok")
    except Exception as e:
        failed += 1
        import traceback

        traceback.print_exc(limit=-3)
        print(f"{use.__name__}: {type(e).__name__}: {e}")
sys.exit(failed > 0)
