"""The least that could answer: aiohttp and motor, one read for a GET, one write and one event for a POST."""

import json
import os
import uuid

from aiohttp import web
from aiokafka import AIOKafkaProducer
from motor.motor_asyncio import AsyncIOMotorClient

from services.gateway.settings import Settings

TOPIC = "bench.bare"


async def make_app() -> web.Application:
    """GET /jobs/{job_id}, with as many reads as asked for, and POST /analyze; no keys, limits, checks or logs."""
    settings = Settings()
    jobs = AsyncIOMotorClient(settings.mongodb_url.get_secret_value())["bare"]["jobs"]
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", enable_idempotence=True)
    await producer.start()

    async def get_job(request: web.Request) -> web.Response:
        for _ in range(int(request.query.get("reads", "1"))):
            found = await jobs.find_one({"_id": request.match_info["job_id"]})
        return web.json_response(found)

    async def analyze(request: web.Request) -> web.Response:
        job = {"_id": str(uuid.uuid4()), "status": "submitted", **await request.json()}
        await jobs.insert_one(job)
        await producer.send_and_wait(TOPIC, json.dumps(job).encode(), key=job["_id"].encode())
        return web.json_response({"job_id": job["_id"]}, status=202)

    async def stop(_app: web.Application) -> None:
        await producer.stop()

    app = web.Application()
    app.on_cleanup.append(stop)
    app.add_routes([web.get("/jobs/{job_id}", get_job), web.post("/analyze", analyze)])
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(os.environ["WATERHOLE_PORT"]), access_log=None, print=None)
