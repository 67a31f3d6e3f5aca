"""The bus events of cadences. A cadence has an id like a job's, and its objects lie below `jobs/{job_id}/`.

The gateway sends `cadence.ready` when all scans' jobs have ended. Classify joins the hits of the scans into tracks and
sends a `track.ready` for each part of them in each scan. Dedoppler measures these tracks in the scan's samples.
When all parts are measured, classify sends `cadence.classified`, and export writes the files.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from shared.cadence import CadenceParameters, CadenceScan, CadenceSummary, ScanIndex, Scans
from shared.event import MAX_ARTEFACTS, Artefact, Event, Upload, key_contradiction, upload_contradiction
from shared.event_fields import MAX_CHUNKS, Key, Name, Time
from shared.header import Header
from shared.polarisations import FIRST_IF, IfsOfChunk

CADENCE_READY: Final = "cadence.ready"
TRACK_READY: Final = "track.ready"
TRACK_MEASURED: Final = "track.measured"
CADENCE_CLASSIFIED: Final = "cadence.classified"
CADENCE_EXPORTED: Final = "cadence.exported"

# A track is measured once in each scan; a part is at most some hundreds of tracks.
MAX_TRACKS = 1_000_000
PartCount = Annotated[int, Field(ge=1, le=MAX_CHUNKS)]
PartIndex = Annotated[int, Field(ge=0, lt=MAX_CHUNKS)]


class CadenceReady(Event):
    """Gateway to classify: the jobs of all scans of a cadence have ended."""

    topic = CADENCE_READY
    type: Literal["cadence.ready"] = CADENCE_READY
    version: Literal[1] = 1
    name: Name = Field(description="As the user gave it, for display.")
    scans: Scans
    parameters: CadenceParameters
    submitted_at: Time = Field(description="When the cadence was accepted; processing time counts from here.")

    def contradiction(self) -> str | None:
        return super().contradiction() or scans_contradiction(self.scans)


class _TrackPart(Event):
    """What both events of a part say: which tracks, in which scan."""

    scan: ScanIndex
    part: PartIndex = Field(description="Counted over all scans.")
    parts: PartCount = Field(description="Parts of all scans together.")

    def contradiction(self) -> str | None:
        if self.part >= self.parts:
            return f"part {self.part} of {self.parts}"
        return super().contradiction()


class TrackReady(_TrackPart):
    """Classify to dedoppler: some tracks of a cadence are to be measured in the samples of one scan."""

    topic = TRACK_READY
    type: Literal["track.ready"] = TRACK_READY
    version: Literal[1] = 1
    upload: Upload
    header: Header
    ifs: IfsOfChunk = FIRST_IF
    tracks_key: Key = Field(description="Key of the tracks object in the results bucket, below jobs/{job_id}/.")
    first_track: int = Field(ge=0, le=MAX_TRACKS, description="Place of the part's first track in the tracks object.")
    stop_track: int = Field(ge=1, le=MAX_TRACKS, description="Place after the part's last track.")

    @property
    def partition_key(self) -> str:
        return f"{self.job_id}:{self.part}"

    def contradiction(self) -> str | None:
        if self.first_track >= self.stop_track:
            return f"tracks {self.first_track} to {self.stop_track}"
        return (
            super().contradiction()
            or upload_contradiction(self.upload)
            or key_contradiction(self.tracks_key, self.job_id)
        )


class TrackMeasured(_TrackPart):
    """Dedoppler to classify: the measurements of a part are in the results bucket."""

    topic = TRACK_MEASURED
    type: Literal["track.measured"] = TRACK_MEASURED
    version: Literal[1] = 1
    measured_key: Key = Field(description="Key of the measurements in the results bucket, below jobs/{job_id}/.")

    def contradiction(self) -> str | None:
        return super().contradiction() or key_contradiction(self.measured_key, self.job_id)


class CadenceClassified(Event):
    """Classify to export and gateway: the events of a cadence are found, labelled and ranked."""

    topic = CADENCE_CLASSIFIED
    type: Literal["cadence.classified"] = CADENCE_CLASSIFIED
    version: Literal[1] = 1
    name: Name
    scans: Scans
    parameters: CadenceParameters
    parts: int = Field(ge=0, le=MAX_CHUNKS, description="Parts of tracks that were measured.")
    events_key: Key = Field(description="Key of events.json in the results bucket, below jobs/{job_id}/.")
    summary: CadenceSummary

    def contradiction(self) -> str | None:
        return (
            super().contradiction()
            or scans_contradiction(self.scans)
            or key_contradiction(self.events_key, self.job_id)
            or ("a scan has no role" if any(scan.role is None for scan in self.scans) else None)
        )


class CadenceExported(Event):
    """Export to gateway: every file of the cadence is in the results bucket."""

    topic = CADENCE_EXPORTED
    type: Literal["cadence.exported"] = CADENCE_EXPORTED
    version: Literal[1] = 1
    artefacts: tuple[Artefact, ...] = Field(max_length=MAX_ARTEFACTS)

    def contradiction(self) -> str | None:
        keys = (key_contradiction(artefact.key, self.job_id) for artefact in self.artefacts)
        return super().contradiction() or next(filter(None, keys), None)


def scans_contradiction(scans: tuple[CadenceScan, ...]) -> str | None:
    """Return what the scans say against themselves, or None."""
    for scan in scans:
        of_upload = upload_contradiction(scan.upload)
        of_results = None if scan.results_key is None else key_contradiction(scan.results_key, scan.job_id)
        if of_upload or of_results:
            return of_upload or of_results
        if (scan.results_key is None) == (scan.failure is None):
            return f"the scan of job {scan.job_id} has neither results nor a failure, or both"
    jobs = [scan.job_id for scan in scans]
    return "one job is two scans" if len(set(jobs)) < len(jobs) else None
