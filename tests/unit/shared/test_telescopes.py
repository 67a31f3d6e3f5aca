"""Numbers of telescopes have names."""

from shared.telescopes import telescope_name


def test_telescopes_have_names():
    assert [telescope_name(number) for number in (6, 64, 0, 99)] == ["GBT", "MeerKAT", "unknown", "SIGPROC id 99"]
