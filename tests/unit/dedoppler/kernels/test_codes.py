"""Codes by a table give what the formula gives."""

import numpy as np

from services.dedoppler.kernels.codes import code_table, encode
from shared.waterfall import code_of, z_of

TABLE = code_table()


def codes_of(values):
    values = np.asarray(values, np.float32)
    codes = np.empty(len(values), np.uint8)
    encode(values, TABLE, codes)
    return codes


def test_codes_of_all_sizes_are_those_of_the_formula():
    rng = np.random.default_rng(1)
    values = np.concatenate(
        [
            rng.normal(0, 1, 5000),
            rng.normal(0, 40, 5000),
            10 ** rng.uniform(-6, 8, 5000),
            -(10 ** rng.uniform(-6, 3, 500)),
        ]
    ).astype(np.float32)
    np.testing.assert_array_equal(codes_of(values), [code_of(float(z)) for z in values])


def test_each_code_begins_halfway_between_two():
    """A float32 beside the limit, whatever its sign and size, has the code of its side."""
    limits = np.array([2 * np.sinh((c + 0.5 - 56) / 16) for c in range(1, 255)], np.float32)
    np.testing.assert_array_equal(codes_of(np.nextafter(limits, np.float32(-np.inf))), np.arange(1, 255))
    np.testing.assert_array_equal(codes_of(limits), np.arange(2, 256))


def test_every_code_is_that_of_its_own_power():
    np.testing.assert_array_equal(codes_of([z_of(c) for c in range(1, 256)]), np.arange(1, 256))


def test_what_is_no_finite_number_is_no_sample():
    assert codes_of([np.nan, -np.nan, np.inf, -np.inf, 0.0, -0.0]).tolist() == [0, 0, 0, 0, 56, 56]
