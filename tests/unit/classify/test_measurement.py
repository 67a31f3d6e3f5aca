"""Hits of several chunks become one list."""

from shared.hits import HIT_DTYPE, ChunkHits


def test_a_hit_seen_by_two_chunks_counts_once(classify, header, observation):
    one, two = observation.chunk([(5000, 30, 60.0, {})]), observation.chunk([(5000, 30, 60.0, {})])
    assert len(classify(header, one, two)) == 1


def test_hit_dtype_of_an_empty_observation_survives_the_store(observation):
    assert ChunkHits.from_bytes(observation.chunk([]).to_bytes()).hits.dtype == HIT_DTYPE
