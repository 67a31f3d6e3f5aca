"""Lists of hits are taken out of documents and put back, whatever the hits' texts hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hit_lists import AT_ONCE, batches, id_of, list_text, record_texts, with_lists, without_lists
from shared.strict_json import strict_json

NAMES = ("raw_hits", "candidates")
# Texts that look like the layout, which JSON writes on one line each.
LAYOUT = st.sampled_from(["\n  },\n  {\n", '\n   "id": 7', "\n  }\n ]", '\n "candidates": [\n  {\n', "NaN,\n"])
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=5) | LAYOUT
INSIDE = st.lists(TEXTS, max_size=2) | st.dictionaries(TEXTS, TEXTS, max_size=2)
VALUES = st.none() | st.integers(-9, 9) | TEXTS | INSIDE
RECORDS = st.lists(
    st.builds(lambda number, more: {"id": number} | more, st.integers(0, 99), st.dictionaries(TEXTS, VALUES)),
    max_size=4,
)


@given(TEXTS, RECORDS, RECORDS, VALUES)
def test_lists_are_the_same_text_as_the_whole_document(before, raw, candidates, after):
    whole = {"a": before, "raw_hits": raw, "candidates": candidates, "z": after}
    empty = strict_json(whole | {name: [] for name in NAMES})
    lists = {"raw_hits": list_text(record_texts(raw)), "candidates": list_text(record_texts(candidates))}
    assert with_lists(empty, lists) == strict_json(whole)


@given(TEXTS, RECORDS, RECORDS, VALUES)
def test_lists_come_back(before, raw, candidates, after):
    whole = {"a": before, "raw_hits": raw, "candidates": candidates, "z": after}
    document, lists = without_lists(strict_json(whole), NAMES)
    assert document == strict_json(whole | {name: [] for name in NAMES})
    for name in NAMES:
        texts = lists.get(name, [])
        assert [record for batch in batches(texts) for record in json.loads(batch)] == whole[name]
        assert [id_of(text) for text in texts] == [record["id"] for record in whole[name]]


def test_records_are_written_and_read_some_at_a_time():
    records = [{"id": number} for number in range(2 * AT_ONCE + 1)]
    texts = list(record_texts(records))
    assert len(texts) == len(records)
    assert [len(json.loads(batch)) for batch in batches(texts)] == [AT_ONCE, AT_ONCE, 1]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_lists_of_another_layout_stay_in_the_document(indent):
    document = json.dumps({"raw_hits": [{"id": 1}], "candidates": [{"id": 1}]}, indent=indent).encode()
    assert without_lists(document, NAMES) == (document, {})


def test_a_record_without_an_id_has_none():
    (text,) = record_texts([{"a": {"id": 3}}])
    assert id_of(text) is None
