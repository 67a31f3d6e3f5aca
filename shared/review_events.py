"""The bus events of reviews: catalogues with the verdicts of the user.

The gateway sends `observation.reviewed` or `cadence.reviewed` when a user asks for a catalogue with verdicts. Export
writes it in every format and answers `review.exported`. All objects lie below `jobs/{job_id}/reviewed/{revision}/`.
"""

from typing import Final, Literal

from pydantic import Field

from shared.event import MAX_ARTEFACTS, Artefact, Event, Upload, key_contradiction, upload_contradiction
from shared.event_fields import Key
from shared.object_keys import is_below, reviewed_prefix, verdicts_key
from shared.verdicts import Revision

OBSERVATION_REVIEWED: Final = "observation.reviewed"
CADENCE_REVIEWED: Final = "cadence.reviewed"
REVIEW_EXPORTED: Final = "review.exported"


class _Review(Event):
    """What all events of a review say."""

    revision: Revision = Field(description="Names one state of the verdicts and of the results.")


class _Reviewed(_Review):
    verdicts_key: Key = Field(description="Key of the verdicts, jobs/{job_id}/reviewed/{revision}/verdicts.json.")

    def contradiction(self) -> str | None:
        if self.verdicts_key != verdicts_key(self.job_id, self.revision):
            return f"the key {self.verdicts_key!r} is not that of the verdicts"
        return super().contradiction()


class ObservationReviewed(_Reviewed):
    """Gateway to export: a job's catalogues are to be written with the verdicts of its user."""

    topic = OBSERVATION_REVIEWED
    type: Literal["observation.reviewed"] = OBSERVATION_REVIEWED
    version: Literal[1] = 1
    upload: Upload
    results_key: Key = Field(description="Key of results.json in the results bucket, below jobs/{job_id}/.")

    def contradiction(self) -> str | None:
        return (
            super().contradiction()
            or upload_contradiction(self.upload)
            or key_contradiction(self.results_key, self.job_id)
        )


class CadenceReviewed(_Reviewed):
    """Gateway to export: a cadence's tables are to be written with the verdicts of its user."""

    topic = CADENCE_REVIEWED
    type: Literal["cadence.reviewed"] = CADENCE_REVIEWED
    version: Literal[1] = 1
    events_key: Key = Field(description="Key of events.json in the results bucket, below jobs/{job_id}/.")

    def contradiction(self) -> str | None:
        return super().contradiction() or key_contradiction(self.events_key, self.job_id)


class ReviewExported(_Review):
    """Export to gateway: the catalogues with verdicts of a job or cadence are in the results bucket."""

    topic = REVIEW_EXPORTED
    type: Literal["review.exported"] = REVIEW_EXPORTED
    version: Literal[1] = 1
    artefacts: tuple[Artefact, ...] = Field(max_length=MAX_ARTEFACTS)

    def contradiction(self) -> str | None:
        prefix = reviewed_prefix(self.job_id, self.revision)
        outside = [artefact.key for artefact in self.artefacts if not is_below(prefix, artefact.key)]
        return super().contradiction() or (f"the key {outside[0]!r} is not below {prefix!r}" if outside else None)
