"""What a physicist does with a power supply, by pymeasure's driver as it is.
Prints all that the driver has said, measured values too.

The argument is the port.
"""
import sys
import warnings

from pymeasure.instruments.keysight import KeysightE36312A

warnings.simplefilter("ignore")
supply = KeysightE36312A(f"TCPIP0::127.0.0.1::{sys.argv[1]}::SOCKET", visa_library="@py", read_termination="\n", timeout=60000)
print(supply.id, supply.options)
supply.clear()
supply.reset()
for n, output in enumerate((supply.ch_1, supply.ch_2, supply.ch_3), 1):
    output.voltage_setpoint = 1.5 * n
    output.current_limit = 0.1 + 0.01 * n
    output.output_enabled = True
    print(output.voltage_setpoint, output.current_limit, output.output_enabled)
    for volt in (1, 2, 3):  # a curve, whose points are noisy
        output.voltage_setpoint = volt
        print(output.voltage, output.current)
supply.write("VOLT 100, (@1)")
print(supply.check_errors(), supply.complete)
supply.shutdown()
