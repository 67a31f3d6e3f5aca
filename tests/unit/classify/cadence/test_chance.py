"""The number of tracks that chance makes: right where all is chance, next to nothing where nothing is."""

import numpy as np
import pytest

from services.classify.cadence.chance import chance_warnings, tracks_by_chance
from services.classify.cadence.joining import join
from shared.cadence import CadenceParameters
from tests.unit.classify.cadence.example_scans import Emitter, cadence

LOW_HZ, WIDTH_HZ = 8420e6, 0.7e6


def unrelated(lines, roles, seed=5):
    """A cadence whose ON scans hold unrelated lines."""
    rng = np.random.default_rng(seed)
    emitters = []
    for place, letter in enumerate(roles):
        if letter == "A":
            snr = tuple(20.0 * (place == other) for other in range(len(roles)))
            emitters += [Emitter(LOW_HZ + WIDTH_HZ * rng.random(), rng.uniform(-2, 2), 0.0, snr) for _ in range(lines)]
    return join(cadence(emitters, roles=roles, rng=rng), CadenceParameters())


def tracks(joined):
    return int(((joined.association.members >= 0).sum(axis=1) == len(joined.ons)).sum())


@pytest.mark.parametrize(("lines", "roles"), [(2000, "AbA"), (4000, "AbAb"), (4000, "AbAbA")])
def test_it_is_the_number_found_where_all_is_chance(lines, roles):
    joined = unrelated(lines, roles)
    found, expected = tracks(joined), tracks_by_chance(joined)
    # Both scatter like counts.
    assert abs(found - expected) < 4 * np.sqrt(found + expected / 2 + 1)


def test_emitters_on_smooth_tracks_are_not_chance():
    rng = np.random.default_rng(6)
    emitters = [
        Emitter(LOW_HZ + WIDTH_HZ * rng.random(), rng.uniform(-2, 2), rng.uniform(-5e-5, 5e-5), (20.0,) * 6)
        for _ in range(300)
    ]
    joined = join(cadence(emitters, rng=rng), CadenceParameters())
    assert tracks(joined) > 290
    assert tracks_by_chance(joined) < 1
    assert chance_warnings(joined, 300) == []


def test_the_warning_states_it_where_there_are_events():
    joined = unrelated(4000, "AbAb")
    (warning,) = chance_warnings(joined, 17)
    assert f"about {tracks_by_chance(joined):.0f} tracks with hits in 2 ON scans" in warning
    assert f"{tracks(joined)} were found, 17 of all tracks are events" in warning
    assert chance_warnings(joined, 0) == []
