"""Downloads: the files of a job's results."""

from aiohttp import web

from services.gateway.api import answers
from services.gateway.api.auth import USER
from services.gateway.api.download_answers import csv_itself, reviewed, url_of, wants_verdicts
from services.gateway.jobs.access import own_job
from services.gateway.jobs.errors import FormatNotAvailableError, UnknownFormatError
from services.gateway.jobs.model import Job
from services.gateway.jobs.ports import JobStore, ResultsBucket
from services.gateway.jobs.review import Reviews
from services.gateway.settings import Settings
from shared.errors import ObjectNotFoundError
from shared.formats import CSV, FORMATS, JSON, REVIEWED_FORMATS
from shared.object_keys import artefact_key


class DownloadRoutes:
    """GET /jobs/{job_id}/download and /jobs/{job_id}/downloads."""

    def __init__(self, settings: Settings, *, jobs: JobStore, results: ResultsBucket, reviews: Reviews) -> None:
        self._settings = settings
        self._jobs = jobs
        self._results = results
        self._reviews = reviews

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/jobs/{job_id}/download", self.download),
            web.get("/jobs/{job_id}/downloads", self.list_files),
        ]

    async def list_files(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/downloads: the files that there are, with their sizes."""
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        return answers.json_response(answers.DownloadableFiles.of(job.artefacts))

    async def download(self, request: web.Request) -> web.Response:
        """GET /jobs/{job_id}/download: a presigned URL of a file, or the CSV catalogue itself.

        With `verdicts=true`, the catalogue has the user's verdicts, and the answer is 202 until it is made.

        Raises
        ------
        UnknownFormatError
            The API has no such format.
        FormatNotAvailableError
            The job has no file of this format, or not yet.
        """
        job = await own_job(self._jobs, request.match_info["job_id"], request[USER].user_id)
        name = request.query.get("format", JSON.name)
        key, filename = _artefact(job, name)
        if wants_verdicts(request.query, name, REVIEWED_FORMATS):
            review = await self._reviews.of_job(job)
            return await reviewed(self._results, review, REVIEWED_FORMATS[name], settings=self._settings)
        if name == CSV.name:
            try:
                return await csv_itself(self._results, key)
            except ObjectNotFoundError as error:
                raise _not_available(job, name) from error
        expires_s = self._settings.download_expires_s
        return await url_of(self._results, key, name=name, filename=filename, expires_s=expires_s)


def _artefact(job: Job, name: str) -> tuple[str, str]:
    """Return the key and file name of a job's file. They follow from job and format alone, whatever is stored."""
    if name not in FORMATS:
        raise UnknownFormatError(list(FORMATS))
    # The results are available before the exports.
    is_there = job.artefact(name) is not None or (name == JSON.name and job.results_key is not None)
    if not is_there:
        raise _not_available(job, name)
    filename = FORMATS[name].filename
    return artefact_key(job.job_id, filename), filename


def _not_available(job: Job, name: str) -> FormatNotAvailableError:
    failure = job.failure or job.export_failure
    if failure is not None and not job.artefacts:
        return FormatNotAvailableError(f"The format {name} is not available: {failure.message}")
    if job.artefacts:
        return FormatNotAvailableError(
            f"This job was exported before the format {name} was introduced; analyze the observation again to get it."
        )
    return FormatNotAvailableError(f"The format {name} is not available yet; please retry later.")
