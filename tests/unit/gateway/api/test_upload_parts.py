"""Which parts of a multipart upload are stored, and which are missing."""

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.api.upload_parts import PartPlan, chosen
from shared.blobs import StoredPart

PLAN = PartPlan(count=4, part_size=10, size=33)


def part(number: int, size: int, modified_s: float = 0.0, etag: str = "e") -> StoredPart:
    return StoredPart(number, etag, size, modified_s)


def test_parts_of_another_size_than_announced_are_missing() -> None:
    stored = PLAN.stored([part(4, 10), part(1, 10), part(2, 9), part(3, 11)])
    assert stored == [part(1, 10)]
    assert chosen(PLAN, None, stored) == [2, 3, 4]
    assert chosen(PLAN, [4, 1, 9, 2], stored) == [2, 4]
    assert PLAN.stored([part(4, 3), part(5, 10)]) == [part(4, 3)]


def test_a_last_part_of_unknown_size_may_have_any() -> None:
    plan = PartPlan(count=2, part_size=10, size=None)
    assert plan.stored([part(1, 10), part(2, 7)]) == [part(1, 10), part(2, 7)]
    assert plan.stored([part(1, 7)]) == []
    assert (plan.length(1), plan.length(2)) == (10, None)


def test_of_a_part_that_was_sent_twice_the_last_one_counts() -> None:
    first, last = part(1, 10, 1.0, "first"), part(1, 10, 2.0, "last")
    assert PLAN.stored([first, last]) == PLAN.stored([last, first]) == [last]
    assert PLAN.stored([first, part(1, 4, 2.0)]) == []
    # Of the same second, by a clock that has no finer ones.
    assert PLAN.stored([last, part(1, 4, 2.0)]) == PLAN.stored([part(1, 4, 2.0), last]) == [last]


@given(st.integers(1, 200), st.integers(1, 30), st.sets(st.integers(1, 50)), st.none() | st.lists(st.integers(1, 50)))
def test_stored_and_missing_parts_together_are_all_parts(
    size: int, part_size: int, there: set[int], asked: list[int] | None
) -> None:
    plan = PartPlan(-(-size // part_size), part_size, size)
    stored = plan.stored(part(number, plan.length(number) or 0) for number in there if number <= plan.count)
    numbers = {one.number for one in stored}
    assert numbers == {number for number in there if number <= plan.count}
    assert sum(plan.length(number) or 0 for number in range(1, plan.count + 1)) == size
    assert set(chosen(plan, None, stored)) | numbers == set(range(1, plan.count + 1))
    missing = chosen(plan, None, stored)
    assert chosen(plan, asked, stored) == [one for one in missing if asked is None or one in asked]
