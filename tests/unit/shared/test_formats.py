"""The table of formats names each file once."""

from shared.formats import FORMATS


def test_names_and_files_are_unique():
    assert list(FORMATS) == [item.name for item in FORMATS.values()]
    assert len({item.filename for item in FORMATS.values()}) == len(FORMATS)
    assert all(item.content_type.count("/") == 1 and item.description for item in FORMATS.values())
