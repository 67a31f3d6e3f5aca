"""A stand-in for a service. It is ready when its broker accepts connections."""

import asyncio
import json
import os
import sys

from aiohttp import web

BROKER = os.environ["WATERHOLE_KAFKA_BOOTSTRAP"]


async def ready(_request: web.Request) -> web.Response:
    host, port = BROKER.split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return web.Response(status=503)
    writer.close()
    return web.Response()


def application() -> web.Application:
    sys.stderr.write(json.dumps({"event": "service started", "level": "info", "broker": BROKER}) + "\n")
    app = web.Application()
    app.router.add_get("/ready", ready)
    return app


def serve(app: web.Application) -> None:
    web.run_app(app, host=os.environ["WATERHOLE_HOST"], port=int(os.environ["WATERHOLE_PORT"]), print=None)


if __name__ == "__main__":
    serve(application())
