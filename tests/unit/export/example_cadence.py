"""A cadence of six scans as classify describes it: one event, one rejected track, and a scan without results."""

import numpy as np

from shared.arrays import Power
from shared.cadence import CadenceParameters, CadenceSummary, Role
from shared.cadence_document import CadenceDocument, EventRecord, FamilyRecord, ScanRecord, ScanState, TrackInScan
from shared.hits import Cutout

CADENCE_ID = "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11"
FIRST_CHANNEL_HZ, CHANNEL_WIDTH_HZ = 8421.386717353016e6, -2.7939677238464355
N_SPECTRA, TSAMP_S = 16, 18.253611008
DURATION_S = N_SPECTRA * TSAMP_S
FREQUENCY_HZ, DRIFT_HZ_S, CHANGE_HZ_S2 = 8419.5427e6, -0.354, -2e-5


def scan(index: int, *, failure: str = "") -> ScanRecord:
    role: Role = "off" if index % 2 else "on"
    known = not failure
    return ScanRecord(
        index=index,
        role=role,
        job_id=f"5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c2{index}",
        file_name=f"scan_{index}.h5",
        source_name="VOYAGER-1" if role == "on" else "VOYAGER-1 OFF",
        tstart_mjd=59046.926342592 + index * 318 / 86400 if known else None,
        start_s=318.0 * index if known else None,
        duration_s=DURATION_S if known else None,
        channel_width_hz=CHANNEL_WIDTH_HZ if known else None,
        lowest_frequency_hz=8418.457e6 if known else None,
        highest_frequency_hz=8421.3867e6 if known else None,
        first_channel_hz=FIRST_CHANNEL_HZ if known else None,
        n_channels=2**20 if known else None,
        n_spectra=N_SPECTRA if known else None,
        tsamp_s=TSAMP_S if known else None,
        coarse_channel_width=2**20 if known else None,
        ra_hours=17.211 if known else None,
        dec_deg=12.404 if known else None,
        telescope_id=6 if known else None,
        hits=3 if known else 0,
        failure=failure,
    )


def track_hz(start_s: float) -> float:
    return FREQUENCY_HZ + DRIFT_HZ_S * start_s + CHANGE_HZ_S2 * start_s**2 / 2


def in_scan(record: ScanRecord, snr: float | None, *, state: ScanState = "hit", present: bool = True) -> TrackInScan:
    at_hz = None if record["start_s"] is None else track_hz(record["start_s"])
    return TrackInScan(
        scan=record["index"],
        role=record["role"],
        state=state,
        is_present=present,
        hit=1 if state == "hit" else None,
        snr=snr,
        snr_error=None if snr is None else 1.0,
        snr_limit=None if snr is None else snr + 3.0,
        strength_ratio=None if snr is None else snr / 25,
        strength_ratio_error=None if snr is None else 0.04,
        strength_ratio_limit=None if snr is None else snr / 25 + 0.12,
        presence_probability=None if snr is None else float(present),
        frequency_hz=at_hz if snr is not None else None,
        frequency_error_hz=0.8 if snr is not None else None,
        predicted_frequency_hz=at_hz,
        drift_rate=DRIFT_HZ_S if snr is not None else None,
        drift_rate_error=0.003 if snr is not None else None,
        sentence=f"Scan {record['index'] + 1} was measured." if snr is not None else "Scan 6 has no results.",
    )


def event(number: int, scans: list[TrackInScan], *, is_event: bool, frequency_hz: float = FREQUENCY_HZ) -> EventRecord:
    on = [one for one in scans if one["role"] == "on"]
    off = [one for one in scans if one["role"] == "off"]
    return EventRecord(
        id=number,
        track=number + 10,
        is_event=is_event,
        family=1,
        frequency_hz=frequency_hz,
        frequency_error_hz=0.4,
        drift_rate=DRIFT_HZ_S,
        drift_rate_error=0.0007,
        drift_change_hz_s2=CHANGE_HZ_S2,
        drift_change_error_hz_s2=1e-6,
        bandwidth_hz=2.8,
        chi_squared=3.1,
        degrees_of_freedom=3,
        snr=43.3 if is_event else None,
        on_scans=len(on),
        on_scans_present=sum(one["is_present"] for one in on),
        off_scans=len(off),
        off_scans_present=sum(one["is_present"] for one in off),
        classification="NARROWBAND_DRIFTING",
        interestingness=0.83 if is_event else 0.2,
        interestingness_components={"snr": 0.9, "cadence": 1.0 if is_event else 0.0},
        rfi_source="",
        bands=["X band"],
        protected_band="",
        sky_drift_rate=-0.31,
        ground_drift_rate=0.0,
        drift_origin="neither the sky nor the ground",
        look_alikes=[2] if is_event else [],
        reasons=[] if is_event else ["It is in the OFF scan 2, with SNR 8.1."],
        scans=scans,
    )


def document() -> CadenceDocument:
    scans = [scan(index) for index in range(5)] + [scan(5, failure="'scan_5.h5' is empty. Upload it again.")]
    snrs = [25.0, 0.4, 22.0, -0.7, 28.0]
    found = [
        in_scan(record, snr, state="measured" if index % 2 else "hit", present=not index % 2)
        for index, (record, snr) in enumerate(zip(scans, snrs, strict=False))
    ]
    found.append(in_scan(scans[5], None, state="missing", present=False))
    rejected = [{**one, "is_present": True} for one in found[:2]] + found[2:]
    events = [event(1, found, is_event=True)]
    others = [event(2, rejected, is_event=False, frequency_hz=8420.1e6)]  # type: ignore[arg-type]
    return CadenceDocument(
        job_id=CADENCE_ID,
        name="Voyager 1, 2020",
        source_name="VOYAGER-1",
        epoch_mjd=59046.926342592,
        parameters=CadenceParameters(),
        scans=scans,
        events=events,
        rejected=others,
        families=[
            FamilyRecord(
                id=1,
                kind="single",
                members=[1, 2],
                events=1,
                strongest=1,
                lowest_frequency_hz=FREQUENCY_HZ,
                highest_frequency_hz=8420.1e6,
                spacing_hz=None,
                drift_rate=DRIFT_HZ_S,
                sentence="Two lines of one emitter.",
            )
        ],
        warnings=["Scan 6 has no results: 'scan_5.h5' is empty. Upload it again."],
        summary=CadenceSummary(
            events=1, families=1, candidates=0, rejected=1, processing_time_seconds=9.5, top_events=(), warnings=()
        ),
        processing_time_seconds=9.5,
    )


def cutouts(*, channels: int = 500) -> dict[int, Cutout]:
    """Return cut-outs of one band for the five scans with results: noise, and the signal in ON scans."""
    rng = np.random.default_rng(5)
    middle = round((track_hz(2 * 318.0) - FIRST_CHANNEL_HZ) / CHANNEL_WIDTH_HZ)
    start = middle - channels // 2
    found = {}
    for index in range(5):
        power: Power = rng.normal(size=(N_SPECTRA, channels)).astype(np.float32)
        if index % 2 == 0:
            for row in range(N_SPECTRA):
                at = (track_hz(318.0 * index + (row + 0.5) * TSAMP_S) - FIRST_CHANNEL_HZ) / CHANNEL_WIDTH_HZ
                power[row, round(at) - start] += 6.0
        found[index] = Cutout(power, start)
    return found
