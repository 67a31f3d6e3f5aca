"""What the gateway believes of a worker's event, and shows of it."""

import pytest

from services.gateway.jobs.handlers import cadence_format, known_artefacts
from services.gateway.jobs.model import Failure, shown_summary
from shared.errors import PermanentError
from shared.events import Artefact, JobFailed, ObservationExported, ResultsSummary
from shared.object_keys import artefact_key

JOB = "5f0c3c0e-3d0f-4f7e-9d55-0a3b8f1f2c11"
FITS = Artefact(
    format="fits",
    key=artefact_key(JOB, "catalog.fits"),
    filename="catalog.fits",
    content_type="application/fits",
    size=1,
    sha256="0" * 64,
)


def exported(*artefacts):
    return ObservationExported.make(job_id=JOB, producer="export", artefacts=artefacts)


def test_a_format_of_a_later_version_is_passed_over():
    later = FITS.model_copy(update={"format": "hologram", "key": artefact_key(JOB, "catalog.holo")})
    assert known_artefacts(exported(FITS, later)) == (FITS,)


@pytest.mark.parametrize(
    "change",
    [{"key": artefact_key(JOB, "plan.json")}, {"key": ""}, {"filename": "results.json"}, {"format": "csv"}],
)
def test_a_file_other_than_the_one_of_its_format_is_refused(change):
    with pytest.raises(PermanentError) as caught:
        known_artefacts(exported(FITS.model_copy(update=change)))
    assert caught.value.code == "inconsistent_event"


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("json", "events.json"),
        ("overview", "overview.png"),
        ("event_0000", "event_0000.png"),
        ("event_12345", "event_12345.png"),
        ("event_00001", None),
        ("event_1", None),
        ("event_", None),
        ("waterfall", None),
    ],
)
def test_the_formats_of_a_cadence(name, filename):
    made = cadence_format(name)
    assert (made and made.filename) == filename


def test_sentences_are_shown_without_the_signs_of_markup():
    message = "The file '<img src=x onerror=alert(1)>.fil' can't be searched."
    failed = JobFailed.make(job_id=JOB, producer="x", stage="ingest", code="bad_observation", message=message)
    expected = "The file '‹img src=x onerror=alert(1)›.fil' can't be searched."
    assert Failure.of(failed).message == expected
    summary = ResultsSummary(
        raw_hits=0, filtered_hits=0, candidates=0, processing_time_seconds=0, top_candidates=(), warnings=(message,)
    )
    assert shown_summary(summary).warnings == (expected,)
