"""The document of verdicts: bounded, checked, and named by what it holds."""

import json

import pytest

from shared.errors import PermanentError
from shared.verdicts import MAX_NOTE, MAX_VERDICTS, NumberedVerdict, VerdictsDocument

GIVEN = (
    NumberedVerdict(number=3, verdict="rfi", note="Größe"),
    NumberedVerdict(number=17, verdict="unsure", note=""),
)


def document(**changes):
    fields = {"job_id": "j", "results_sha256": "0" * 64, "verdicts": GIVEN}
    return VerdictsDocument(**(fields | changes))


def test_a_document_is_read_back():
    assert VerdictsDocument.from_bytes(document().to_bytes()) == document()


def test_a_revision_names_the_verdicts_and_the_results():
    changed = (GIVEN[0].model_copy(update={"note": "x"}), GIVEN[1])
    others = [document(verdicts=()), document(verdicts=changed), document(results_sha256="1" * 64)]
    revisions = {one.revision for one in (document(), *others)}
    assert len(revisions) == 4
    assert document().revision == document().revision
    # Objects and events hold it, so it is the same in every process and version.
    assert document().revision == "1a94b9c458003954fb947f5ece6c0da0"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"format_version": 2}, "format_version"),
        ({"verdicts": [{"number": -1, "verdict": "rfi", "note": ""}]}, "verdicts.0.number"),
        ({"verdicts": [{"number": 1, "verdict": "alien", "note": ""}]}, "verdicts.0.verdict"),
        ({"verdicts": [{"number": 1, "verdict": "rfi", "note": "x" * (MAX_NOTE + 1)}]}, "verdicts.0.note"),
        ({"verdicts": [{"number": 1, "verdict": "rfi", "note": "a\u0007"}]}, "verdicts.0.note"),
        ({"verdicts": [{"number": 1, "verdict": "rfi", "note": ""}] * (MAX_VERDICTS + 1)}, "verdicts"),
    ],
)
def test_what_breaks_a_bound_is_refused_by_name(change, place):
    raw = json.dumps(json.loads(document().to_bytes()) | change).encode()
    with pytest.raises(PermanentError, match=rf"\({place}: "):
        VerdictsDocument.from_bytes(raw)


def test_what_is_no_json_is_refused():
    with pytest.raises(PermanentError, match="document: "):
        VerdictsDocument.from_bytes(b"{")
