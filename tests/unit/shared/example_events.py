"""One example of every event of every version: those that `tests/data/events` holds as JSON."""

import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared.cadence import CadenceParameters, CadenceScan, CadenceSummary, TopEvent
from shared.events import (
    Artefact,
    CadenceClassified,
    CadenceExported,
    CadenceReady,
    CadenceReviewed,
    Chunk,
    ChunkPlan,
    ChunkReady,
    ChunkSearched,
    Event,
    JobFailed,
    JobLimits,
    JobProgress,
    JobReopened,
    ObservationClassified,
    ObservationExported,
    ObservationReviewed,
    ObservationSubmitted,
    ResultsSummary,
    ReviewExported,
    SearchParameters,
    TopCandidate,
    TrackMeasured,
    TrackReady,
    Upload,
)
from shared.header import Header

GOLDEN = Path(__file__).parents[2] / "data" / "events"

JOB_ID = "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11"
UPLOAD = Upload(
    file_key="uploads/u-42/8d7c7a52-3f0f-4b58-9a55-3b1f3f0c9c7e/Voyager1 Größe.h5",
    file_name="Voyager1 Größe.h5",
    file_size=50_496_512,
    source_name="Voyager 1",
    submitted_at=datetime(2026, 4, 7, 12, 0, 0, 250_000, tzinfo=UTC),
)
PINNED = UPLOAD.model_copy(update={"etag": '"546abf2c5f7cb5279fa9079387898219-5"'})
PARAMETERS = SearchParameters(snr_threshold=12.5, max_drift_rate_hz_s=4.0)
HEADER = Header(
    file_format="h5",
    n_spectra=16,
    n_channels=1_048_576,
    n_ifs=1,
    n_bits=32,
    fch1_mhz=8421.386717353016,
    foff_mhz=-2.7939677238464355e-06,
    tsamp_s=18.253611008,
    tstart_mjd=57650.78209490741,
    source_name="Voyager1",
    ra_hours=17.167773333,
    dec_deg=12.183,
    telescope_id=6,
    coarse_channel_width=1_048_576,
    has_dc_spike=True,
)
CHUNK = Chunk(
    index=3,
    count=64,
    start_channel=3_145_728,
    stop_channel=4_194_304,
    read_start_channel=3_145_336,
    read_stop_channel=4_194_696,
)
REVISION = "9f86d081884c7d659a2feaa0c55ad015"
WARNINGS = ("The last spectrum is cut short and was left out.",)


def common(event_id: str, producer: str) -> dict[str, Any]:
    at = datetime(2026, 4, 7, 12, 0, 1, tzinfo=UTC)
    return {"event_id": uuid.UUID(event_id), "job_id": JOB_ID, "occurred_at": at, "producer": producer}


SUMMARY = ResultsSummary(
    raw_hits=12,
    filtered_hits=5,
    candidates=3,
    processing_time_seconds=8.25,
    top_candidates=(
        TopCandidate(
            frequency_hz=8419297027.867,
            drift_rate=-0.377557,
            snr=1013.2,
            classification="CANDIDATE_ET",
            interestingness=0.91,
            rfi_source="",
            source="drift_search",
        ),
    ),
)
RULE = CadenceParameters(min_on_scans=2, snr_threshold=12.5)
ON_JOB, OFF_JOB = "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c12", "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c13"
SCANS = (
    CadenceScan(role="on", job_id=ON_JOB, upload=UPLOAD, results_key=f"jobs/{ON_JOB}/results.json"),
    CadenceScan(
        role="off",
        job_id=OFF_JOB,
        upload=UPLOAD,
        failure="'off.h5' is empty. Upload it again.",
        failure_code="bad_observation",
    ),
)

EXPECTED: list[Event] = [
    ObservationSubmitted(
        **common("a2bb189e-8bf9-5888-9912-ace4e6543002", "gateway"), upload=UPLOAD, parameters=PARAMETERS
    ),
    ChunkReady(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c01", "ingest"),
        upload=UPLOAD,
        parameters=PARAMETERS,
        header=HEADER,
        chunk=CHUNK,
        warnings=WARNINGS,
    ),
    ChunkSearched(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c02", "dedoppler"),
        upload=UPLOAD,
        parameters=PARAMETERS,
        header=HEADER,
        chunk=CHUNK,
        warnings=WARNINGS,
        hits_key=f"jobs/{JOB_ID}/hits/00003.npz",
        n_hits=5,
    ),
    ObservationClassified(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c03", "classify"),
        upload=UPLOAD,
        parameters=PARAMETERS,
        header=HEADER,
        chunk_count=64,
        results_key=f"jobs/{JOB_ID}/results.json",
        summary=SUMMARY,
    ),
    ObservationExported(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c04", "export"),
        artefacts=(
            Artefact(
                format="fits",
                key=f"jobs/{JOB_ID}/catalog.fits",
                filename="catalog.fits",
                content_type="application/fits",
                size=8640,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
        ),
    ),
    JobProgress(**common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c05", "dedoppler"), stage="dedoppler", done=3, total=64),
    JobFailed(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c06", "ingest"),
        stage="ingest",
        code="bad_observation",
        message="The file 'Voyager1 Größe.h5' has no dataset 'data'; it is no filterbank file.",
    ),
    JobReopened(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c09", "operator"),
        operator="ada",
        dead_letter="chunk.ready.dlq/2:17",
    ),
    CadenceReady(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c0a", "gateway"),
        name="Voyager 1, 2020",
        scans=SCANS,
        parameters=RULE,
        submitted_at=datetime(2026, 4, 7, 12, 0, 0, tzinfo=UTC),
    ),
    TrackReady(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c0b", "classify"),
        upload=UPLOAD,
        header=HEADER,
        scan=1,
        part=3,
        parts=12,
        tracks_key=f"jobs/{JOB_ID}/tracks.npz",
        first_track=256,
        stop_track=512,
    ),
    TrackMeasured(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c0c", "dedoppler"),
        scan=1,
        part=3,
        parts=12,
        measured_key=f"jobs/{JOB_ID}/measured/00003.npz",
    ),
    CadenceClassified(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c0d", "classify"),
        name="Voyager 1, 2020",
        scans=SCANS,
        parameters=RULE,
        parts=12,
        events_key=f"jobs/{JOB_ID}/events.json",
        summary=CadenceSummary(
            events=3,
            families=1,
            candidates=0,
            rejected=41,
            processing_time_seconds=9.5,
            top_events=(
                TopEvent(
                    id=1,
                    frequency_hz=8419542731.2,
                    drift_rate=-0.354,
                    snr=255.1,
                    on_scans=3,
                    classification="NARROWBAND_DRIFTING",
                    interestingness=0.83,
                    family_size=3,
                    rfi_source="",
                ),
            ),
            warnings=("Scan 6 failed and was left out.",),
        ),
    ),
    CadenceExported(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c0e", "export"),
        artefacts=(
            Artefact(
                format="csv",
                key=f"jobs/{JOB_ID}/events.csv",
                filename="events.csv",
                content_type="text/csv; charset=utf-8",
                size=812,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
        ),
    ),
    ObservationReviewed(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c0f", "gateway"),
        revision=REVISION,
        verdicts_key=f"jobs/{JOB_ID}/reviewed/{REVISION}/verdicts.json",
        upload=UPLOAD,
        results_key=f"jobs/{JOB_ID}/results.json",
    ),
    CadenceReviewed(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c10", "gateway"),
        revision=REVISION,
        verdicts_key=f"jobs/{JOB_ID}/reviewed/{REVISION}/verdicts.json",
        events_key=f"jobs/{JOB_ID}/events.json",
    ),
    ReviewExported(
        **common("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c11", "export"),
        revision=REVISION,
        artefacts=(
            Artefact(
                format="csv",
                key=f"jobs/{JOB_ID}/reviewed/{REVISION}/catalog.csv",
                filename="catalog.csv",
                content_type="text/csv; charset=utf-8",
                size=812,
                sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            ),
        ),
    ),
]

# Like EXPECTED[3], but from a version that sends the plan.
CLASSIFIED_WITH_PLAN = EXPECTED[3].model_copy(
    update={
        "event_id": uuid.UUID("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c07"),
        "plan": ChunkPlan(
            n_channels=1_048_576, count=64, stride_channels=1_048_576, parts=64, overlap_channels=392, lanes=2
        ),
    }
)
# Like EXPECTED[3], from a version whose summary has warnings.
CLASSIFIED_WITH_WARNINGS = EXPECTED[3].model_copy(
    update={
        "event_id": uuid.UUID("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c08"),
        "summary": SUMMARY.model_copy(update={"warnings": WARNINGS}),
    }
)
# Like EXPECTED[0], but from a version that pins the object.
SUBMITTED_WITH_ETAG = EXPECTED[0].model_copy(
    update={
        "event_id": uuid.UUID("a2bb189e-8bf9-5888-9912-ace4e6543003"),
        "upload": PINNED,
    }
)
# The same, from a version that states the limits of the tier.
SUBMITTED_WITH_LIMITS = SUBMITTED_WITH_ETAG.model_copy(
    update={
        "event_id": uuid.UUID("a2bb189e-8bf9-5888-9912-ace4e6543004"),
        "upload": PINNED.model_copy(update={"sha256": "9f86d081884c7d65" * 4}),
        "limits": JobLimits(max_unpacked_bytes=1073741824, max_processor_s=614.4),
    }
)
# Like EXPECTED[1], but of a search of the sum of two IFs.
READY_WITH_IFS = EXPECTED[1].model_copy(
    update={
        "event_id": uuid.UUID("0c9d1f6e-5d0c-5f0e-8d3a-6f2f7a0b1c09"),
        "parameters": PARAMETERS.model_copy(update={"ifs": "stokes_i", "pol_type": "AABBCRCI"}),
        "chunk": CHUNK.model_copy(update={"ifs": (0, 1)}),
        "plan": ChunkPlan(
            n_channels=67_108_864,
            count=64,
            stride_channels=1_048_576,
            parts=1,
            overlap_channels=392,
            lanes=2,
            searches=((0, 1),),
        ),
    }
)
# Events of a version that has more fields, by what their examples are named after.
VARIANTS = {
    "plan": CLASSIFIED_WITH_PLAN,
    "warnings": CLASSIFIED_WITH_WARNINGS,
    "etag": SUBMITTED_WITH_ETAG,
    "limits": SUBMITTED_WITH_LIMITS,
    "ifs": READY_WITH_IFS,
}
ALL_EVENTS = [*EXPECTED, *VARIANTS.values()]
