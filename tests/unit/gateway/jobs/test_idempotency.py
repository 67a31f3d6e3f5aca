"""Idempotency keys."""

from services.gateway.jobs.idempotency import RequestKey


def test_the_digest_does_not_depend_on_the_order_of_fields() -> None:
    one = RequestKey.of("u", "k", {"file_key": "a", "filename": "b"})
    assert one == RequestKey.of("u", "k", {"filename": "b", "file_key": "a"})
    assert one != RequestKey.of("u", "k", {"file_key": "b", "filename": "a"})


def test_each_user_and_key_has_its_own_document() -> None:
    ids = {RequestKey.of(user, key, {}).document_id for user, key in [("u", "k"), ("u", "l"), ("v", "k")]}
    assert len(ids) == 3
