"""How a file of the results is answered: CSV itself, any other as a presigned URL.

A catalogue with verdicts is made on request: until it is there, the answer is 202 and asks to come back.
"""

from collections.abc import Mapping

from aiohttp import hdrs, web

from services.gateway.api import answers, verdict_answers
from services.gateway.api.errors import ApiError
from services.gateway.jobs.errors import FormatNotAvailableError
from services.gateway.jobs.ports import ResultsBucket
from services.gateway.jobs.review import Review
from services.gateway.settings import Settings
from shared.errors import ObjectNotFoundError
from shared.formats import Format
from shared.object_keys import reviewed_key

RETRY_AFTER_S = 1


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


def wants_verdicts(query: Mapping[str, str], name: str, formats: Mapping[str, Format]) -> bool:
    """Return whether a catalogue is asked for with verdicts.

    Raises
    ------
    ApiError
        400, the parameter is neither true nor false, or the format `name` is none of those that can hold verdicts.
    """
    text = query.get("verdicts", "false")
    if text not in ("true", "false"):
        raise ApiError(400, "invalid_verdicts", "The parameter verdicts must be true or false.")
    if text == "true" and name not in formats:
        raise ApiError(
            400, "format_without_verdicts", f"The format {name} has no place for verdicts: use {', '.join(formats)}."
        )
    return text == "true"


async def reviewed(results: ResultsBucket, review: Review, made: Format, *, settings: Settings) -> web.Response:
    """Answer with a catalogue with verdicts, or with 202 until it is there.

    Raises
    ------
    FormatNotAvailableError
        It could not be made.
    """
    if review.failure is not None:
        raise FormatNotAvailableError(
            f"The format {made.name} with verdicts could not be made: {review.failure.message}"
        )
    if made.name not in review.formats:
        preparing = verdict_answers.DownloadPreparing(format=made.name)
        return answers.json_response(preparing, status=202, headers={hdrs.RETRY_AFTER: str(RETRY_AFTER_S)})
    key = reviewed_key(review.job_id, review.revision, made.filename)
    if made.content_type.startswith("text/csv"):
        try:
            return await csv_itself(results, key)
        except ObjectNotFoundError as error:
            raise FormatNotAvailableError("The verdicts have just changed; ask for the catalogue again.") from error
    filename = f"reviewed_{made.filename}"
    return await url_of(results, key, name=made.name, filename=filename, expires_s=settings.download_expires_s)
