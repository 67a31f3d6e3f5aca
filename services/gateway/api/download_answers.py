"""How a file of the results is answered: CSV itself, any other as a presigned URL."""

from aiohttp import web

from services.gateway.api import answers
from services.gateway.jobs.ports import ResultsBucket


async def csv_itself(results: ResultsBucket, key: str) -> web.Response:
    """Answer with a table.

    Raises
    ------
    ObjectNotFoundError
        It is not in the bucket.
    """
    return web.Response(body=await results.get(key), content_type="text/csv", charset="utf-8")


async def url_of(results: ResultsBucket, key: str, *, name: str, filename: str, expires_s: int) -> web.Response:
    """Answer with a URL of the file of a format `name`, good for `expires_s`."""
    url = await results.presign_get(key, expires_s=expires_s, filename=filename)
    return answers.json_response(answers.Download(download_url=url, format=name, filename=filename))
