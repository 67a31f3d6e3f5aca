"""Downloads: the files of a cadence's results."""

from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.download_answers import csv_itself, reviewed, url_of, wants_verdicts
from services.gateway.jobs.access import own_cadence
from services.gateway.jobs.cadence import Cadence
from services.gateway.jobs.errors import FormatNotAvailableError, UnknownFormatError
from services.gateway.jobs.handlers import cadence_format
from services.gateway.jobs.ports import CadenceStore, ResultsBucket
from services.gateway.jobs.review import Reviews
from services.gateway.settings import Settings
from shared.errors import ObjectNotFoundError
from shared.formats import CADENCE_FORMATS, EVENTS_CSV, EVENTS_JSON, REVIEWED_EVENT_FORMATS
from shared.object_keys import artefact_key

# How the refusal of an unknown format lists the pictures.
PICTURES = "event_0001 and so on"


class CadenceDownloadRoutes:
    """GET /cadences/{cadence_id}/download and /cadences/{cadence_id}/downloads."""

    def __init__(self, settings: Settings, *, cadences: CadenceStore, results: ResultsBucket, reviews: Reviews) -> None:
        self._settings = settings
        self._cadences = cadences
        self._results = results
        self._reviews = reviews

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/cadences/{cadence_id}/download", self.download),
            web.get("/cadences/{cadence_id}/downloads", self.list_files),
        ]

    async def list_files(self, request: web.Request) -> web.Response:
        """GET /cadences/{cadence_id}/downloads: the files that there are, with their sizes."""
        cadence = await own_cadence(self._cadences, request.match_info["cadence_id"], request[USER].user_id)
        return answers.json_response(answers.DownloadableFiles.of(cadence.artefacts))

    async def download(self, request: web.Request) -> web.Response:
        """GET /cadences/{cadence_id}/download: a presigned URL of a file, or the CSV table itself.

        With `verdicts=true`, the table has the user's verdicts, and the answer is 202 until it is made.

        Raises
        ------
        UnknownFormatError
            The API has no such format.
        FormatNotAvailableError
            The cadence has no file of this format, or not yet.
        """
        cadence = await own_cadence(self._cadences, request.match_info["cadence_id"], request[USER].user_id)
        name = request.query.get("format", EVENTS_JSON.name)
        key, filename = _artefact(cadence, name)
        if wants_verdicts(request.query, name, REVIEWED_EVENT_FORMATS):
            review = await self._reviews.of_cadence(cadence)
            return await reviewed(self._results, review, REVIEWED_EVENT_FORMATS[name], settings=self._settings)
        if name == EVENTS_CSV.name:
            try:
                return await csv_itself(self._results, key)
            except ObjectNotFoundError as error:
                raise _not_available(cadence, name) from error
        expires_s = self._settings.download_expires_s
        return await url_of(self._results, key, name=name, filename=filename, expires_s=expires_s)


def _artefact(cadence: Cadence, name: str) -> tuple[str, str]:
    """Return the key and file name of a cadence's file. They follow from cadence and format alone."""
    made = cadence_format(name)
    if made is None:
        raise UnknownFormatError([*CADENCE_FORMATS, PICTURES])
    # The events are available before the exports.
    is_there = cadence.artefact(name) is not None or (made is EVENTS_JSON and cadence.results_key is not None)
    if not is_there:
        raise _not_available(cadence, name)
    return artefact_key(cadence.job_id, made.filename), made.filename


def _not_available(cadence: Cadence, name: str) -> FormatNotAvailableError:
    failure = cadence.failure or cadence.export_failure
    if failure is not None and not cadence.artefacts:
        return FormatNotAvailableError(f"The format {name} is not available: {failure.message}")
    if cadence.artefacts:
        return FormatNotAvailableError(f"This cadence has no file of the format {name}.")
    return FormatNotAvailableError(f"The format {name} is not available yet; please retry later.")
