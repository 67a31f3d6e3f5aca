"""A finished job in memory: hits objects of two chunks, `results.json` as classify writes it, and its event."""

import hashlib
from datetime import UTC, datetime

import numpy as np

from services.classify.handlers import Handler as Classify
from services.classify.model import load_model
from services.export.handlers import Handler
from shared.content import Content
from shared.errors import ObjectChangedError, ObjectNotFoundError
from shared.events import Chunk, ChunkSearched, SearchParameters, Upload
from shared.header import Header
from shared.hits import HIT_DTYPE, ChunkHits, ChunkNoise, Cutout
from shared.object_keys import hits_key

MODEL = load_model()
JOB = "a1b2c3d4-0000-4000-8000-000000000002"
SUBMITTED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
UPLOAD_KEY = "uploads/user/voyager.fil"
UPLOADED = bytes(range(256)) * 4
VOYAGER = [(739820, 36, 121.0), (739933, 39, 126.0), (747929, 37, 1013.0), (755923, 38, 119.0), (756037, 39, 129.0)]
LINES = [(10000, 0, 14.0), (400000, 0, 300.0), (800500, 1, 25.0), (120000, -150, 40.0)]


def etag_of(raw):
    return f'"{hashlib.md5(raw, usedforsecurity=False).hexdigest()}"'


class MemoryBlobs:
    """A bucket in memory."""

    def __init__(self):
        self.objects = {}
        self.content_types = {}

    async def get(self, key):
        if key not in self.objects:
            raise ObjectNotFoundError(key)
        return self.objects[key]

    async def get_range(self, key, start, length, etag=None):
        raw = await self.get(key)
        if etag not in (None, etag_of(raw)):
            raise ObjectChangedError(key)
        return raw[start : start + length]

    async def get_range_into(self, key, start, buffer, etag=None):
        raw = await self.get_range(key, start, len(buffer), etag)
        buffer[: len(raw)] = raw
        return len(raw)

    async def size(self, key):
        return len(self.objects[key]) if key in self.objects else None

    async def put(self, key, body, content_type="application/octet-stream"):
        self.objects[key] = body
        self.content_types[key] = content_type

    async def list_keys(self, prefix):
        return sorted(key for key in self.objects if key.startswith(prefix))

    async def content(self, key):
        raw = self.objects.get(key)
        return None if raw is None else Content(len(raw), etag_of(raw))


def make_header(**changes):
    fields = {
        "file_format": "fil",
        "n_spectra": 16,
        "n_channels": 2**20,
        "n_ifs": 1,
        "n_bits": 32,
        "fch1_mhz": 8421.386717353016,
        "foff_mhz": -2.7939677238464355e-06,
        "tsamp_s": 18.253611008,
        "tstart_mjd": 57650.78209490741,
        "source_name": "Voyager1",
        "telescope_id": 6,
        "ra_hours": 17.167773333,
        "dec_deg": 12.183,
    }
    return Header(**{**fields, **changes})


def make_chunk(header, signals, start, stop, *, rng, bins=2048):
    """One chunk with steady tones: hits, cut-outs and a waterfall of noise maxima with the tones in it."""
    spectra = header.n_spectra
    per_bin = (stop - start) / bins
    waterfall = rng.gumbel(2.8, 0.35, (spectra, bins)).astype(np.float32)
    hits, cutouts = np.zeros(len(signals), HIT_DTYPE), []
    u = np.arange(spectra) / (spectra - 1)
    for hit, (channel, steps, snr) in zip(hits, signals, strict=True):
        first = channel + min(0, steps) - 40
        power = rng.normal(size=(spectra, abs(steps) + 81)).astype(np.float32)
        path = channel + np.rint(steps * u).astype(int)
        per_row = snr / np.sqrt(spectra)
        power[np.arange(spectra), path - first] += per_row
        at = np.clip(((path - start) / per_bin).astype(int), 0, bins - 1)
        waterfall[np.arange(spectra), at] = np.maximum(waterfall[np.arange(spectra), at], per_row)
        cutouts.append(Cutout(power, int(first)))
        hit["channel"], hit["steps"], hit["width"] = channel, steps, 1
        hit["snr"], hit["snr_error"], hit["snr_turboseti"] = snr, 1.0, snr / 4
        hit["frequency_hz"], hit["frequency_error_hz"] = header.frequency_hz(channel), 1.4
        hit["drift_rate_hz_s"] = header.drift_rate_hz_s(steps)
        hit["drift_rate_error_hz_s"] = header.drift_resolution_hz_s / 2
        hit["bandwidth_hz"] = hit["bandwidth_error_hz"] = abs(header.foff_hz)
    return ChunkHits(hits, cutouts, range(start, stop), ChunkNoise(sigma=1.0, level=float("nan")), waterfall)


class Job:
    """Runs classify on synthetic chunks and keeps what export needs."""

    def __init__(self):
        self.blobs, self.uploads = MemoryBlobs(), MemoryBlobs()
        self.uploads.objects[UPLOAD_KEY] = UPLOADED

    def handler(self, **options):
        return Handler(self.blobs, self.uploads, **{"hash_up_to_bytes": len(UPLOADED), **options})

    async def export(self, event, **options):
        """Handle the event; the artefacts by file name."""
        exported, _ = await self.handler(**options).handle(event)
        return {artefact.filename: self.blobs.objects[artefact.key] for artefact in exported.artefacts}

    async def finish(self, header, signals, *, source_name="Voyager 1", count=2):
        rng = np.random.default_rng(5)
        size = header.n_channels // count
        for index in range(count):
            start, stop = index * size, header.n_channels if index == count - 1 else (index + 1) * size
            mine = [signal for signal in signals if start <= signal[0] < stop]
            await self.blobs.put(hits_key(JOB, index), make_chunk(header, mine, start, stop, rng=rng).to_bytes())
        searched = ChunkSearched.make(
            job_id=JOB,
            producer="dedoppler",
            step="0",
            upload=Upload(
                file_key=UPLOAD_KEY,
                file_name="voyager.fil",
                file_size=len(UPLOADED),
                source_name=source_name,
                submitted_at=SUBMITTED,
            ),
            parameters=SearchParameters(),
            header=header,
            chunk=Chunk(
                index=0, count=count, start_channel=0, stop_channel=size, read_start_channel=0, read_stop_channel=size
            ),
            hits_key=hits_key(JOB, 0),
            n_hits=0,
        )
        _, _, classified = await Classify(self.blobs, model=MODEL, now=lambda: SUBMITTED).handle(searched)
        return classified
