"""A stand-in for the gateway that accepts one key, which its `users` command prints for every user."""

import os

from aiohttp import web

from tests.integration.local_stack_stand_in.worker import application, serve


async def jobs(request: web.Request) -> web.Response:
    key = f"sk_{os.environ['WATERHOLE_API_KEY_PEPPER']}"
    return web.Response(status=200 if request.headers.get("x-api-key") == key else 403)


app = application()
app.router.add_get("/jobs", jobs)
serve(app)
