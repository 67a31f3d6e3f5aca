"""`events.json`: everything that is known of a cadence. Classify writes it, export and users read it.

An event here is one emitter's track that is in the ON scans and not in the OFF scans. Numbers that are not finite are
null. Fields may be added within a version; a change that would break a reader gets a new `FORMAT_VERSION`.
"""

from typing import Literal, NotRequired

from pydantic import BaseModel, ConfigDict, ValidationError, with_config
from typing_extensions import TypedDict

from shared.cadence import CadenceParameters, CadenceSummary, Role
from shared.errors import PermanentError
from shared.strict_json import strict_json

FORMAT_VERSION: Literal[1] = 1
Measured = float | None

# hit: the scan's hit list has it, and it was measured; measured: it was measured, and no hit list has it; listed: a hit
# list has it and there are no samples to measure; outside: not in the scan's band; lost: its samples are lost; silent:
# no hit list has it and there are no samples to measure; missing: the scan has no results.
ScanState = Literal["hit", "measured", "listed", "outside", "lost", "silent", "missing"]
FamilyKind = Literal["single", "comb", "drift_history"]


@with_config(ConfigDict(extra="allow"))
class ScanRecord(TypedDict):
    """One scan of the cadence: what it is, without its hits. `index` is its place in order of time.

    `start_s` counts from the epoch of the cadence. `channel_width_hz` is signed, as in the header, and
    `first_channel_hz` the frequency of channel 0. A scan without results has a `failure`.
    """

    index: int
    role: Role
    job_id: str
    file_name: str
    source_name: str
    tstart_mjd: Measured
    start_s: Measured
    duration_s: Measured
    channel_width_hz: Measured
    lowest_frequency_hz: Measured
    highest_frequency_hz: Measured
    first_channel_hz: Measured
    n_channels: int | None
    n_spectra: int | None
    tsamp_s: Measured
    coarse_channel_width: int | None
    ra_hours: Measured
    dec_deg: Measured
    telescope_id: int | None
    hits: int
    failure: str


@with_config(ConfigDict(extra="allow"))
class TrackInScan(TypedDict):
    """An event in one scan: `is_present` as the rule sees it, the measured values, and a sentence.

    `frequency_hz` is at the middle of the scan's first spectrum. `strength_ratio` is the power in units of that in the
    ON scans, and `presence_probability` how likely the scan holds the signal at the least part of it that counts.
    """

    scan: int
    role: Role
    state: ScanState
    is_present: bool
    hit: int | None
    snr: Measured
    snr_error: Measured
    snr_limit: Measured
    strength_ratio: Measured
    strength_ratio_error: Measured
    strength_ratio_limit: Measured
    presence_probability: Measured
    frequency_hz: Measured
    frequency_error_hz: Measured
    predicted_frequency_hz: Measured
    drift_rate: Measured
    drift_rate_error: Measured
    sentence: str


@with_config(ConfigDict(extra="allow"))
class EventRecord(TypedDict):
    """One track: an event, or a rejected one (`is_event` false) with the reasons.

    Frequency, drift rate (Hz/s) and its change (Hz/s^2) are those of the fitted track at the epoch. `snr` is that of
    all ON scans together. `track` is the track's `id` among the measurements, and `family` that of its family.
    `sky_drift_rate` is what a transmitter at a constant frequency, fixed in the sky, would show; `ground_drift_rate`
    that of one fixed to the ground: 0.
    """

    id: int
    track: int
    is_event: bool
    family: int
    frequency_hz: float
    frequency_error_hz: Measured
    drift_rate: float
    drift_rate_error: Measured
    drift_change_hz_s2: float
    drift_change_error_hz_s2: Measured
    bandwidth_hz: float
    chi_squared: Measured
    degrees_of_freedom: int
    snr: Measured
    on_scans: int
    on_scans_present: int
    off_scans: int
    off_scans_present: int
    classification: str
    interestingness: float
    interestingness_components: dict[str, Measured]
    rfi_source: str
    bands: list[str]
    protected_band: str
    sky_drift_rate: Measured
    ground_drift_rate: Measured
    drift_origin: str
    look_alikes: list[int]
    reasons: list[str]
    scans: list[TrackInScan]
    picture: NotRequired[str]


@with_config(ConfigDict(extra="allow"))
class FamilyRecord(TypedDict):
    """Tracks of one emitter: lines on a raster, or lines that share one drift history."""

    id: int
    kind: FamilyKind
    members: list[int]
    events: int
    strongest: int
    lowest_frequency_hz: float
    highest_frequency_hz: float
    spacing_hz: Measured
    drift_rate: Measured
    sentence: str


class CadenceDocument(BaseModel):
    """The document `events.json`: events best first, then rejected tracks by strength (the strongest), and families."""

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1] = FORMAT_VERSION
    job_id: str
    name: str
    source_name: str
    epoch_mjd: float
    parameters: CadenceParameters
    scans: list[ScanRecord]
    events: list[EventRecord]
    rejected: list[EventRecord]
    families: list[FamilyRecord]
    warnings: list[str]
    summary: CadenceSummary
    processing_time_seconds: float

    def to_bytes(self) -> bytes:
        """Return the document as strict JSON; the same content gives the same bytes.

        Raises
        ------
        ValueError
            A number is not finite.
        """
        return strict_json(self.model_dump())

    @classmethod
    def from_bytes(cls, raw: bytes) -> "CadenceDocument":
        """Read a document.

        Raises
        ------
        PermanentError
            It is no JSON, of an unknown version, or a field is missing or of another type; the message names the field.
        """
        try:
            return cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise PermanentError(
                f"The events of the cadence can't be read ({place or 'document'}: {first['msg']}); start the cadence "
                "again.",
                code="unreadable_results",
            ) from error
