"""Catalogues with verdicts: asked of export once for each revision, answered with 202 until they are there."""

import asyncio
from collections.abc import Mapping

import pytest

from shared.errors import PermanentError
from shared.events import (
    Artefact,
    CadenceReviewed,
    JobFailed,
    ObservationReviewed,
    ObservationSubmitted,
    ReviewExported,
)
from shared.formats import FORMATS, REVIEWED_EVENT_FORMATS, REVIEWED_FORMATS, Format
from shared.object_keys import job_prefix, reviewed_key, reviews_prefix, verdicts_key
from shared.verdicts import NumberedVerdict, VerdictsDocument
from tests.contract.gateway.cadences import files, finish_cadence, start_cadence
from tests.contract.gateway.parts import Account, Gateway, account, classified, code, export

DOWNLOAD = "download?verdicts=true&format="


@pytest.fixture
async def user(gateway: Gateway) -> Account:
    return await account(gateway, "institution")


async def exported_job(user: Account) -> str:
    job_id = await user.analyze()
    await user.gateway.worker_events.handle(classified(user.gateway, job_id))
    await user.gateway.worker_events.handle(await export(user.gateway, job_id))
    return job_id


def asked(gateway: Gateway, job_id: str) -> list[ObservationReviewed | CadenceReviewed]:
    kinds = ObservationReviewed | CadenceReviewed
    return [event for event in gateway.bus.events if isinstance(event, kinds) and event.job_id == job_id]


async def answer(
    gateway: Gateway, event: ObservationReviewed | CadenceReviewed, formats: Mapping[str, Format] = REVIEWED_FORMATS
) -> ReviewExported:
    """Write the catalogues, as export does, and return its event."""
    artefacts = []
    for name, made in formats.items():
        key = reviewed_key(event.job_id, event.revision, made.filename)
        await gateway.storage.results.put(key, f"{name} of {event.revision}\n".encode())
        artefacts.append(
            Artefact(format=name, key=key, filename=made.filename, content_type="x", size=1, sha256="0" * 64)
        )
    return ReviewExported.make(
        job_id=event.job_id,
        producer="export",
        step=event.revision,
        revision=event.revision,
        artefacts=tuple(artefacts),
    )


async def give(user: Account, path: str, verdict: str, note: str = "") -> None:
    assert (await user.ask("PUT", path, {"verdict": verdict, "note": note}))[0] == 200


async def text_of(user: Account, path: str) -> str:
    async with user.gateway.client.get(path, headers={"x-api-key": user.api_key}) as response:
        assert (response.status, response.content_type) == (200, "text/csv")
        return await response.text()


async def preparing(user: Account, path: str) -> None:
    status, body, headers = await user.answer("GET", path)
    assert (status, body["status"]) == (202, "preparing")
    assert int(headers["Retry-After"]) == 1


async def test_a_catalogue_with_verdicts_is_made_on_request(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    await give(user, f"/jobs/{job_id}/verdicts/17", "rfi", "n")
    await give(user, f"/jobs/{job_id}/verdicts/3", "candidate")
    path = f"/jobs/{job_id}/{DOWNLOAD}"
    for name in ("csv", "fits", "csv"):
        await preparing(user, path + name)
    (event,) = asked(gateway, job_id)
    assert isinstance(event, ObservationReviewed)
    started = [one for one in gateway.bus.events if isinstance(one, ObservationSubmitted) and one.job_id == job_id]
    assert event.upload == started[0].upload
    stored = VerdictsDocument.from_bytes(await gateway.storage.results.get(event.verdicts_key))
    assert stored.verdicts == (
        NumberedVerdict(number=3, verdict="candidate", note=""),
        NumberedVerdict(number=17, verdict="rfi", note="n"),
    )
    assert stored.revision == event.revision
    await gateway.worker_events.handle(await answer(gateway, event))
    assert await text_of(user, f"{path}csv") == f"csv of {event.revision}\n"
    for name in REVIEWED_FORMATS.keys() - {"csv"}:
        status, body = await user.ask("GET", path + name)
        assert (status, body["filename"]) == (200, f"reviewed_{FORMATS[name].filename}")
        async with gateway.anybody.get(body["download_url"]) as response:
            assert await response.text() == f"{name} of {event.revision}\n"
    assert len(asked(gateway, job_id)) == 1
    plain = await text_of(user, f"/jobs/{job_id}/download?format=csv&verdicts=false")
    assert plain == f"csv of {job_id}\n"


async def test_requests_at_once_ask_export_once(user: Account) -> None:
    job_id = await exported_job(user)
    await asyncio.gather(*(preparing(user, f"/jobs/{job_id}/{DOWNLOAD}csv") for _ in range(8)))
    assert len(asked(user.gateway, job_id)) == 1


async def test_other_verdicts_are_another_revision_and_the_same_ones_are_the_same(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    path, hit, revisions = f"/jobs/{job_id}/{DOWNLOAD}csv", f"/jobs/{job_id}/verdicts/0", []
    for verdict in ("rfi", "unsure", "rfi", "candidate"):
        await give(user, hit, verdict)
        await preparing(user, path)
        event = asked(gateway, job_id)[-1]
        revisions.append(event.revision)
        await gateway.worker_events.handle(await answer(gateway, event))
        assert await text_of(user, path) == f"csv of {event.revision}\n"
    assert len(set(revisions)) == 3
    assert revisions[0] == revisions[2]
    # The present catalogues and those before are kept, for URLs in use; earlier ones are deleted.
    keys = await gateway.storage.results.list_keys(reviews_prefix(job_id))
    assert {key.split("/")[3] for key in keys} == set(revisions[-2:])


async def test_a_review_is_published_when_the_bus_is_back_and_again_until_it_is_answered(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    outbox = gateway.jobs.review_outbox
    gateway.bus.is_away = True
    try:
        await preparing(user, f"/jobs/{job_id}/{DOWNLOAD}csv")
    finally:
        gateway.bus.is_away = False
    assert asked(gateway, job_id) == []
    with gateway.clock.ahead(3):
        await outbox.sweep()
    with gateway.clock.ahead(60):
        await outbox.sweep()
        assert len(asked(gateway, job_id)) == 1
    with gateway.clock.ahead(70):
        await outbox.sweep()
    first, again = asked(gateway, job_id)
    assert first == again
    await gateway.worker_events.handle(await answer(gateway, first))
    with gateway.clock.ahead(100_000):
        await outbox.sweep()
    assert len(asked(gateway, job_id)) == 2


@pytest.mark.parametrize("name", ["json", "dat", "waterfall"])
async def test_formats_without_a_place_for_verdicts_are_refused(user: Account, name: str) -> None:
    answered = await user.ask("GET", f"/jobs/{await exported_job(user)}/{DOWNLOAD}{name}")
    assert code(answered) == (400, "format_without_verdicts")
    assert "csv, catalog_json" in answered[1]["error"]["message"]


async def test_the_parameter_is_true_or_false(user: Account) -> None:
    answered = await user.ask("GET", f"/jobs/{await exported_job(user)}/download?format=csv&verdicts=1")
    assert code(answered) == (400, "invalid_verdicts")


async def test_before_the_first_catalogues_there_are_none_with_verdicts(user: Account) -> None:
    job_id = await user.analyze()
    assert code(await user.ask("GET", f"/jobs/{job_id}/{DOWNLOAD}csv")) == (404, "format_not_available")
    assert asked(user.gateway, job_id) == []


async def test_a_review_that_fails_says_why_and_leaves_the_job_alone(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    path = f"/jobs/{job_id}/{DOWNLOAD}csv"
    await preparing(user, path)
    sentence = "The verdicts of the job can't be read."
    failed = JobFailed.make(job_id=job_id, producer="export", stage="export", code="c", message=sentence)
    before = await user.ask("GET", f"/jobs/{job_id}")
    await gateway.worker_events.handle(failed)
    assert await user.ask("GET", f"/jobs/{job_id}") == before
    answered = await user.ask("GET", path)
    assert code(answered) == (404, "format_not_available")
    assert sentence in answered[1]["error"]["message"]
    # An operator replays the dead letter.
    (event,) = asked(gateway, job_id)
    await gateway.worker_events.handle(await answer(gateway, event))
    assert await text_of(user, path) == f"csv of {event.revision}\n"


async def test_an_answer_to_an_earlier_revision_is_not_taken_for_the_present_one(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    path = f"/jobs/{job_id}/{DOWNLOAD}csv"
    await preparing(user, path)
    await give(user, f"/jobs/{job_id}/verdicts/0", "rfi")
    await preparing(user, path)
    old, new = asked(gateway, job_id)
    for event in (old, old):
        await gateway.worker_events.handle(await answer(gateway, event))
        await preparing(user, path)
    for event in (new, new, old):
        await gateway.worker_events.handle(await answer(gateway, event))
        assert await text_of(user, path) == f"csv of {new.revision}\n"


async def test_a_review_goes_with_its_job(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    await preparing(user, f"/jobs/{job_id}/{DOWNLOAD}csv")
    (event,) = asked(gateway, job_id)
    await user.ask("DELETE", f"/jobs/{job_id}")
    assert await gateway.store.reviews.get(job_id) is None
    # Export was in the middle of it.
    await gateway.worker_events.handle(await answer(gateway, event))
    assert await gateway.storage.results.list_keys(job_prefix(job_id)) == []
    assert await gateway.store.reviews.get(job_id) is None


async def test_forged_answers_are_refused(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    await preparing(user, f"/jobs/{job_id}/{DOWNLOAD}csv")
    (event,) = asked(gateway, job_id)
    sound = await answer(gateway, event)
    (first, *_) = sound.artefacts
    other = first.model_copy(update={"key": verdicts_key(job_id, event.revision)})
    with pytest.raises(PermanentError, match="verdicts\\.json"):
        await gateway.worker_events.handle(sound.model_copy(update={"artefacts": (other,)}))
    await preparing(user, f"/jobs/{job_id}/{DOWNLOAD}csv")


async def test_a_format_that_a_later_version_makes_is_not_offered(user: Account) -> None:
    gateway, job_id = user.gateway, await exported_job(user)
    await preparing(user, f"/jobs/{job_id}/{DOWNLOAD}csv")
    (event,) = asked(gateway, job_id)
    sound = await answer(gateway, event)
    later = sound.artefacts[0].model_copy(update={"format": "hologram"})
    await gateway.worker_events.handle(sound.model_copy(update={"artefacts": (*sound.artefacts, later)}))
    review = await gateway.store.reviews.get(job_id)
    assert review is not None
    assert set(review.formats) == set(REVIEWED_FORMATS)


async def test_tables_of_a_cadence_have_verdicts_too(user: Account) -> None:
    gateway, cadence_id = user.gateway, await start_cadence(user, await files(user, 2))
    path = f"/cadences/{cadence_id}/{DOWNLOAD}"
    assert code(await user.ask("GET", f"{path}csv")) == (404, "format_not_available")
    await finish_cadence(user, cadence_id)
    await give(user, f"/cadences/{cadence_id}/verdicts/2", "instrument")
    await preparing(user, f"{path}parquet")
    (event,) = asked(gateway, cadence_id)
    assert isinstance(event, CadenceReviewed)
    stored = VerdictsDocument.from_bytes(await gateway.storage.results.get(event.verdicts_key))
    assert stored.verdicts == (NumberedVerdict(number=2, verdict="instrument", note=""),)
    await gateway.worker_events.handle(await answer(gateway, event, REVIEWED_EVENT_FORMATS))
    assert await text_of(user, f"{path}csv") == f"csv of {event.revision}\n"
    status, body = await user.ask("GET", f"{path}votable")
    assert (status, body["filename"]) == (200, "reviewed_events.vot")
    for name in ("json", "overview", "event_0001"):
        assert code(await user.ask("GET", path + name)) == (400, "format_without_verdicts")
