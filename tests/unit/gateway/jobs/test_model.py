"""The order of a job's statuses and of its progress."""

from services.gateway.jobs.model import Failure, Progress, allowed_from, silence_s


def test_jobs_only_move_forward() -> None:
    assert allowed_from("submitted") == ()
    assert allowed_from("processing") == ("submitted",)
    assert set(allowed_from("complete")) == {"submitted", "processing"}
    assert set(allowed_from("failed")) == {"submitted", "processing"}


def test_progress_is_ordered_by_stage_then_by_steps_done() -> None:
    ordered = [
        Progress("ingest", 0, 1),
        Progress("ingest", 1, 1),
        Progress("dedoppler", 0, 308),
        Progress("dedoppler", 307, 308),
        Progress("classify", 1, 1),
        Progress("export", 1, 1),
    ]
    orders = [progress.order for progress in ordered]
    assert orders == sorted(set(orders))


def test_only_a_failed_export_leaves_the_job_complete() -> None:
    assert Failure("export", "internal_error", "No plots.").is_export_failure
    assert not Failure("classify", "internal_error", "No labels.").is_export_failure


def test_the_silence_doubles_up_to_its_maximum() -> None:
    assert [silence_s(n, 60.0, 300.0) for n in (1, 2, 3, 4, 5000)] == [60.0, 120.0, 240.0, 300.0, 300.0]
