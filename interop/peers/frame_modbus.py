"""pymodbus as a device whose registers 0 to 9 are 100 to 109, or, with a port, as a client that reads three."""
import asyncio
import sys

from pymodbus.client import ModbusTcpClient


async def device():
    from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
    from pymodbus.server import ModbusTcpServer
    block = ModbusSequentialDataBlock(1, list(range(100, 110)))
    server = ModbusTcpServer(ModbusServerContext(devices=ModbusDeviceContext(hr=block), single=True), address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    print(server.transport.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


if len(sys.argv) == 1:
    asyncio.run(device())
client = ModbusTcpClient("127.0.0.1", port=int(sys.argv[1]))
client.connect()
print(client.read_holding_registers(0, count=3, device_id=17).registers, flush=True)
