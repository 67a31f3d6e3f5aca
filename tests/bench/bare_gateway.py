"""A minimal gateway in aiohttp and motor, without keys, checks, logs, outbox or handling of partial failures.

A job that it has acknowledged is as durable as with the gateway: it is in MongoDB's journal and on all replicas of
Kafka. With --uvloop it runs on uvloop, as the gateway does, else on asyncio's own event loop.
"""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer
from motor.motor_asyncio import AsyncIOMotorClient

from services.gateway.settings import Settings
from shared.blobs import Blobs, open_storage

TOPIC = "bench.bare"
USER = str(uuid.uuid4())
LIMIT = 10**6


async def make_app() -> web.Application:
    """Return an application with three routes.

    - GET /jobs/{job_id}: one read.
    - POST /analyze: the least work that starts a job on an existing file and keeps a user's limit: one request for the
      file's size in S3, one conditional update of the user's counters, one insert, one acknowledged event.
    - POST /store: only the insert and the event.
    """
    settings = Settings()
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        settings.mongodb_url.get_secret_value(), w="majority", journal=True
    )
    database = client["bare"]
    jobs, quotas = database["jobs"], database["quotas"]
    await quotas.insert_one({"_id": USER, "used": 0, "active_count": 0})
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True)
    await producer.start()

    async def get_job(request: web.Request) -> web.Response:
        return web.json_response(await jobs.find_one({"_id": request.match_info["job_id"]}))

    async def analyze(request: web.Request) -> web.Response:
        body = await request.json()
        size = await request.app[uploads].size(body["file_key"])
        if size is None:
            raise web.HTTPNotFound
        free = {"_id": USER, "used": {"$lt": LIMIT}, "active_count": {"$lt": LIMIT}}
        counted = await quotas.update_one(free, {"$inc": {"used": 1, "active_count": 1}})
        if not counted.matched_count:
            raise web.HTTPTooManyRequests
        return await start({**body, "file_size": size})

    async def store(request: web.Request) -> web.Response:
        return await start(await request.json())

    async def start(body: dict[str, object]) -> web.Response:
        job_id = str(uuid.uuid4())
        job = {"_id": job_id, "user_id": USER, "status": "submitted", **body}
        await jobs.insert_one(job)
        await producer.send_and_wait(TOPIC, json.dumps(job).encode(), key=job_id.encode())
        return web.json_response({"job_id": job_id}, status=202)

    uploads = web.AppKey("uploads", Blobs)

    async def connections(app: web.Application) -> AsyncIterator[None]:
        async with open_storage(settings) as storage:
            app[uploads] = storage.uploads
            yield
        await producer.stop()

    app = web.Application()
    app.cleanup_ctx.append(connections)
    app.add_routes([web.get("/jobs/{job_id}", get_job), web.post("/analyze", analyze), web.post("/store", store)])
    return app


def main() -> None:
    """Serve the application on the port in `WATERHOLE_PORT`."""
    loop = uvloop.new_event_loop() if "--uvloop" in sys.argv else asyncio.new_event_loop()
    port = int(os.environ["WATERHOLE_PORT"])
    web.run_app(make_app(), host="127.0.0.1", port=port, access_log=None, print=None, loop=loop)


if __name__ == "__main__":
    main()
