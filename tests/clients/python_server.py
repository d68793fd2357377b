"""
A WebSocket server and a gRPC server that answer what they receive.

Usage: `python -m tests.clients.python_server IDLE`, with the seconds after which they close idle
clients; 0 means never.
"""

import asyncio
import sys
from importlib import import_module
from typing import Any


async def _serve_websockets(idle: float) -> None:
    websockets = import_module("websockets")

    async def echo(connection: Any) -> None:
        while True:
            try:
                async with asyncio.timeout(idle or None):
                    message = await connection.recv()
            except TimeoutError:
                await connection.close()
                return
            except import_module("websockets").ConnectionClosed:
                return
            await connection.send(message)

    async with websockets.serve(echo, "0.0.0.0", 8765, ping_interval=None):
        await asyncio.Future()


def _start_grpc(idle: float) -> Any:
    grpc = import_module("grpc")
    pool = import_module("concurrent.futures").ThreadPoolExecutor(4)
    options = [("grpc.max_connection_idle_ms", int(1000 * idle))] if idle else []
    server = grpc.server(pool, options=options)
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
    service = grpc.method_handlers_generic_handler("test.Echo", {"Echo": handler})
    server.add_generic_rpc_handlers((service,))
    server.add_insecure_port("0.0.0.0:50051")
    server.start()
    return server


if __name__ == "__main__":
    idle = float(sys.argv[1])
    server = _start_grpc(idle)
    asyncio.run(_serve_websockets(idle))
