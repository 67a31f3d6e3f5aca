"""`results.json`: everything that is known of a classified observation. Classify writes it, export and users read it.

`Results` is the document. Its hits are plain dictionaries with checked fields (`HitRecord`): there may be tens of
thousands, and objects would take several times as long to read and write. Numbers that are not finite are null.

Fields may be added within a version; a change that would break a reader gets a new `FORMAT_VERSION`.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, computed_field, with_config
from typing_extensions import TypedDict

from shared.errors import PermanentError
from shared.events import ResultsSummary, SearchParameters
from shared.header import Header
from shared.hit_lists import batches, id_of, list_text, record_texts, with_lists, without_lists
from shared.strict_json import strict_json

# 2: `source` of a hit is "dedoppler_search"; it was "width_ladder" in version 1. The fields are the same.
FORMAT_VERSION: Literal[2] = 2
# The value of `source`, how a hit was found: by the sum of the power along drifting paths.
DEDOPPLER_SEARCH = "dedoppler_search"

# A number that is null where it could not be measured.
Measured = float | None


def measured(value: float) -> Measured:
    """Return a number, or None if it is not finite: strict JSON has no NaN and no infinity."""
    return value if isfinite(value) else None


@with_config(ConfigDict(extra="allow"))
class FeaturesRecord(TypedDict, total=False):
    """What was measured on a hit's cut-out and among the other hits.

    The module `services.classify.kernels.features` defines the measures of the cut-out. Any may be missing.
    """

    path_snr: Measured
    occupancy: Measured
    presence: Measured
    peak_fraction: Measured
    kurtosis: Measured
    fwhm_hz: Measured
    window_fill: Measured
    edge_sharpness: Measured
    side_share: Measured
    curvature_gain: Measured
    curvature_hz_s2: Measured
    bend_channels: Measured
    row_width_channels: Measured
    wobble_channels: Measured
    lean_channels: Measured
    straightness_residual_channels: Measured
    emission_width_hz: Measured
    comb_spacing_hz: Measured
    comb_teeth: int
    hits_within_5_khz: int
    hits_with_like_drift: int
    like_drift_span_hz: Measured


@with_config(ConfigDict(extra="allow"))
class HitRecord(TypedDict):
    """One hit, and any fields that a later version of classify adds.

    Frequencies are in Hz, drift rates in Hz/s with the sky's sign.

    `group` is the `id` of the strongest hit of the same emitter. `chunk` and `chunk_hit` say which entry of which hits
    object holds its cut-out. `source` is how it was found. `false_alarms` is the number of hits of this SNR or above
    that noise alone would make in the whole search; earlier versions did not write it.
    `if_index` is the IF (polarisation) in which it is strongest, null for a sum of IFs; `ifs` are those that show it,
    strongest first, or the sum, such as IF0+IF1.
    """

    id: int
    frequency_hz: float
    frequency_error_hz: Measured
    drift_rate: float
    drift_rate_error: Measured
    snr: float
    snr_error: Measured
    channel: int
    steps: int
    width: int
    snr_turboseti: Measured
    bandwidth_hz: float
    bandwidth_error_hz: Measured
    false_alarms: NotRequired[Measured]
    curvature_hz_s2: NotRequired[Measured]
    curvature_error_hz_s2: NotRequired[Measured]
    curved_snr: NotRequired[Measured]
    classification: str
    confidence: Measured
    shape: str
    shape_probabilities: dict[str, Measured]
    novelty: Measured
    reasons: list[str]
    interestingness: float
    interestingness_components: dict[str, Measured]
    rfi_source: str
    bands: list[str]
    protected_band: str
    source: str
    group: int
    chunk: int
    chunk_hit: int
    if_index: NotRequired[int | None]
    ifs: NotRequired[str]
    features: FeaturesRecord


class GapRecord(TypedDict):
    """A box of channels and spectra that is lost, or holds lost samples; stops are excluded."""

    start_channel: int
    stop_channel: int
    start_spectrum: int
    stop_spectrum: int
    samples: int


class GainChangeRecord(TypedDict):
    """Channels and spectra with another gain than usual, which was taken out; stops are excluded."""

    start_channel: int
    stop_channel: int
    start_spectrum: int
    stop_spectrum: int
    factor: float


class NoiseRecord(TypedDict):
    """The noise of one chunk, see `shared.hits.ChunkNoise`, and the chunk's channels; without what was not measured."""

    chunk: int
    dead_channels: NotRequired[Measured]
    gain_changes: NotRequired[list[GainChangeRecord]]
    gaps: NotRequired[list[GapRecord]]
    largest_row_offset_sigma: NotRequired[Measured]
    level: NotRequired[Measured]
    lost_elsewhere: NotRequired[Measured]
    lost_fraction: NotRequired[Measured]
    sigma: NotRequired[Measured]
    start_channel: NotRequired[Measured]
    stop_channel: NotRequired[Measured]


class Observation(Header):
    """The header of the observation, and what follows from it."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def lowest_frequency_hz(self) -> float:
        """Lower end of the band, Hz."""
        return self.band_hz[0]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def highest_frequency_hz(self) -> float:
        """Upper end of the band, Hz."""
        return self.band_hz[1]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def duration_s(self) -> float:
        """Time from the start of the first spectrum to the end of the last, s."""
        return super().duration_s

    @computed_field  # type: ignore[prop-decorator]
    @property
    def drift_resolution_hz_s(self) -> float:
        """Drift rate of a path that moves one channel from the first spectrum to the last, Hz/s, without sign."""
        return super().drift_resolution_hz_s


class ModelUse(BaseModel):
    """The model that labelled the hits, and how many of them are unlike its training data."""

    model: str
    hits_unlike_training: int


# In their order in the document.
_HIT_LISTS = ("raw_hits", "filtered_hits", "candidates")


class Results(BaseModel):
    """The document `results.json`.

    `raw_hits` lists every hit in order of channel and drift. `filtered_hits` and `candidates` repeat the records of
    some of them: without RFI, noise and repeats of an emitter; and of those, what is worth a look, best first.
    """

    model_config = ConfigDict(frozen=True)

    format_version: Literal[1, 2] = FORMAT_VERSION
    job_id: str
    source_name: str
    file_name: str
    observation: Observation
    parameters: SearchParameters
    noise: list[NoiseRecord]
    labels: ModelUse
    warnings: list[str]
    summary: ResultsSummary
    processing_time_seconds: float
    raw_hits: list[HitRecord]
    filtered_hits: list[HitRecord]
    candidates: list[HitRecord]

    def to_bytes(self) -> bytes:
        """Return the document as strict JSON; the same content gives the same bytes, floats keep all their digits.

        Raises
        ------
        ValueError
            A number is not finite; what may be is `Measured`, and passes through `measured`.
        """
        # A list often holds the very records of another one, whose text is made once.
        texts: dict[int, bytes] = {}
        for name in _HIT_LISTS:
            missing = [record for record in getattr(self, name) if id(record) not in texts]
            texts.update(zip(map(id, missing), record_texts(missing), strict=True))
        document = strict_json(self.model_dump(exclude=set(_HIT_LISTS)) | {name: [] for name in _HIT_LISTS})
        lists = {name: list_text(texts[id(record)] for record in getattr(self, name)) for name in _HIT_LISTS}
        return with_lists(document, lists)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Results":
        """Read a document that this version or an earlier one wrote.

        Raises
        ------
        PermanentError
            It is no JSON, of an unknown version, or a field is missing or of another type; the message names the field.
        """
        document, lists = without_lists(raw, _HIT_LISTS)
        try:
            read = _Read.model_validate_json(document)
            hits = [*read.raw_hits, *_records(lists.get("raw_hits", ()))]
            by_id = {record["id"]: record for record in hits}
            filtered = [*_ids(read.filtered_hits), *_ids_in(lists.get("filtered_hits", ()))]
            candidates = [*_ids(read.candidates), *_ids_in(lists.get("candidates", ()))]
            fields: dict[str, Any] = {name: getattr(read, name) for name in cls.model_fields}
            fields |= {
                "raw_hits": hits,
                "filtered_hits": [by_id[number] for number in filtered],
                "candidates": [by_id[number] for number in candidates],
            }
            return cls.model_construct(read.model_fields_set, **fields)
        except KeyError as error:
            raise PermanentError(
                f"The results of the job can't be read (hit {error} is not among raw_hits); analyze the observation "
                "again.",
                code="unreadable_results",
            ) from error
        except ValidationError as error:
            raise _unreadable(error) from error


class _Listed(TypedDict):
    """What is read of a hit where a list repeats it."""

    id: int


class _Read(Results):
    """The document as it is read: `filtered_hits` and `candidates` repeat `raw_hits`, which are checked once."""

    filtered_hits: list[_Listed]  # type: ignore[assignment]
    candidates: list[_Listed]  # type: ignore[assignment]


_RECORDS = TypeAdapter(list[HitRecord])
_LISTED = TypeAdapter(list[_Listed])


def _records(texts: Sequence[bytes]) -> Iterator[HitRecord]:
    """Return the checked records with these texts."""
    taken = 0
    for batch in batches(texts):
        try:
            records = _RECORDS.validate_json(batch)
        except ValidationError as error:
            raise _unreadable(error, ("raw_hits", taken)) from error
        taken += len(records)
        yield from records


def _ids(listed: Iterable[_Listed]) -> Iterator[int]:
    return (record["id"] for record in listed)


def _ids_in(texts: Sequence[bytes]) -> Iterator[int]:
    """Return the ids in the texts of records; ids alone are looked for, so that long lists are read fast."""
    for text in texts:
        number = id_of(text)
        yield from _ids(_LISTED.validate_json(list_text([text]))) if number is None else (number,)


def _unreadable(error: ValidationError, before: tuple[str, int] | None = None) -> PermanentError:
    """Return what users are told of a document; `before` is a list and how many of its records were read before."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = first["loc"]
    if before is not None and place and isinstance(place[0], int):
        place = (before[0], before[1] + place[0], *place[1:])
    where = ".".join(map(str, place)) or "document"
    return PermanentError(
        f"The results of the job can't be read ({where}: {first['msg']}); analyze the observation again.",
        code="unreadable_results",
    )
