"""Cadences: scans of a target (ON) between scans of elsewhere (OFF), and what is asked of them."""

from typing import Annotated, Literal

from pydantic import Field

from shared.chunks import Record
from shared.event import Upload
from shared.event_fields import Code, HitCount, JobId, Key, Label, Seconds, Sentence, Sentences, ShownText
from shared.header import MAX_FREQUENCY_MHZ

Role = Literal["on", "off"]

# A night of one target; most cadences have six.
MAX_SCANS = 64
# A text shown for each of a cadence's best events.
MAX_TOP_EVENTS = 20

ScanIndex = Annotated[int, Field(ge=0, lt=MAX_SCANS)]


class CadenceParameters(Record):
    """The rule that the user chose: which tracks are events."""

    min_on_scans: int | None = Field(
        default=None,
        ge=1,
        le=MAX_SCANS,
        description="In how many ON scans an event must be present; all of them unless stated.",
    )
    max_drift_change_hz_s2: float = Field(
        default=1e-4,
        ge=0.0,
        le=1.0,
        description="The fastest change of drift rate that one track may have, Hz/s^2. The default is above what the "
        "rotation of the Earth gives (8.2e-15 of the frequency: 8e-5 Hz/s^2 at 10 GHz).",
    )
    off_snr: float = Field(
        default=3.5,
        ge=1.0,
        le=1e6,
        description="An OFF scan with at least this SNR, measured along the track, rules the event out.",
    )
    snr_threshold: float = Field(
        default=10.0, ge=5.0, le=1e6, description="Hits of ON scans below this SNR start no track."
    )


class CadenceScan(Record):
    """One scan of a cadence, once its job has ended. Scans are in order of time once the cadence is classified."""

    role: Role | None = Field(
        default=None,
        description="As the user stated it. Until the cadence is classified it may be null: then "
        "classify proposes it from times, source names and file names.",
    )
    job_id: JobId = Field(description="The job that searched it.")
    upload: Upload
    results_key: Key | None = Field(
        default=None, description="Key of the job's results.json, below jobs/{job_id}/; null if the job failed."
    )
    failure: Sentence | None = Field(default=None, description="Why the scan has no results, for the user.")
    failure_code: Code | None = Field(default=None, description="The same, for programs.")


Scans = Annotated[tuple[CadenceScan, ...], Field(min_length=2, max_length=MAX_SCANS)]


class TopEvent(Record):
    """One entry of a cadence's `top_events`, as the API shows it."""

    id: int = Field(ge=0, le=10_000_000)
    frequency_hz: float = Field(ge=-MAX_FREQUENCY_MHZ * 1e6, le=MAX_FREQUENCY_MHZ * 1e6)
    drift_rate: float = Field(description="Hz/s.")
    snr: float = Field(description="Of all ON scans together.")
    on_scans: int = Field(ge=0, le=MAX_SCANS, description="ON scans in which it is present.")
    classification: Label
    interestingness: float = Field(ge=0, le=1)
    family_size: int = Field(ge=1, le=10_000_000, description="Events of the same emitter, this one included.")
    rfi_source: ShownText


class CadenceSummary(Record):
    """A cadence's `results`, as the API shows them."""

    events: HitCount = Field(description="Tracks that are in enough ON scans and in no OFF scan.")
    families: HitCount = Field(description="Emitters that these events belong to.")
    candidates: HitCount = Field(description="Events that nothing known explains.")
    rejected: HitCount = Field(description="Tracks of ON hits that are no events.")
    processing_time_seconds: Seconds
    top_events: tuple[TopEvent, ...] = Field(max_length=MAX_TOP_EVENTS)
    warnings: Sentences = ()
