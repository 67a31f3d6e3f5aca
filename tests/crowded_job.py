"""A job with as many hits as a job lists, made without a search."""

from datetime import UTC, datetime

import numpy as np

from science.simulator import make_header
from services.classify.measurement import MOST_HITS
from shared.events import ChunkPlan, ChunkSearched, SearchParameters, Upload
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout
from shared.object_keys import hits_key

SPACING, COLUMNS = 100, 64


def searched_job(job_id: str, hits: int = MOST_HITS, seed: int = 0) -> tuple[ChunkSearched, dict[str, bytes]]:
    """Return the event of a job's only chunk, and its hits object by its key: tones that drift, of SNR 20 to 60."""
    header = make_header(max(1024, SPACING * hits), 16)
    rng, found = np.random.default_rng(seed), np.zeros(hits, HIT_DTYPE)
    found["channel"] = SPACING * np.arange(hits) + SPACING // 2
    found["steps"] = rng.integers(-20, 20, hits)
    found["width"], found["snr"], found["snr_error"] = 1, rng.uniform(20, 60, hits), 1
    found["frequency_hz"] = [header.frequency_hz(channel) for channel in found["channel"].tolist()]
    found["drift_rate_hz_s"] = [header.drift_rate_hz_s(steps) for steps in found["steps"].tolist()]
    found["drift_rate_error_hz_s"] = header.drift_resolution_hz_s
    found["bandwidth_hz"], found["bandwidth_error_hz"] = abs(header.foff_hz), 1.0
    power = rng.standard_normal((hits, 16, COLUMNS)).astype(np.float32)
    columns = COLUMNS // 2 + np.rint(found["steps"][:, None] * np.arange(16) / 15).astype(np.int64)
    power[np.arange(hits)[:, None], np.arange(16), columns] += found["snr"][:, None].astype(np.float32) / 4
    cutouts = [Cutout(power[i], int(channel) - COLUMNS // 2) for i, channel in enumerate(found["channel"].tolist())]
    channels = range(header.n_channels)
    chunk = ChunkHits(found, cutouts, channels, ChunkNoise(level=1.0, sigma=1.0), np.zeros((4, 64), np.float32))
    plan = ChunkPlan(
        n_channels=header.n_channels, count=1, stride_channels=header.n_channels, parts=1, overlap_channels=0
    )
    event = ChunkSearched.make(
        job_id=job_id,
        producer="test",
        upload=Upload(
            file_key="uploads/u/1/v.fil",
            file_name="v.fil",
            file_size=1,
            source_name="v",
            submitted_at=datetime(2026, 1, 2, tzinfo=UTC),
            sha256="0" * 64,
        ),
        parameters=SearchParameters(),
        header=header,
        chunk=plan.chunk(0),
        plan=plan,
        hits_key=hits_key(job_id, 0),
        n_hits=hits,
    )
    return event, {hits_key(job_id, 0): chunk.to_bytes()}
