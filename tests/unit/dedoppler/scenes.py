"""What tests of the search share: simulated observations, searches of them, and the hits as tuples."""

from science.measure.search import chunk_plan, search, tone, whole
from science.simulator import Scene, make_header, simulate

__all__ = ["Scene", "chunk_plan", "make_header", "rows", "search", "simulate", "tone", "whole"]


def rows(found):
    """(channel, steps, width) of each hit."""
    hits = found.hits
    return [(int(hit["channel"]), int(hit["steps"]), int(hit["width"])) for hit in hits]
