"""Where the numbers of a picture's marks go, so that they don't overlap."""

from collections.abc import Sequence


def join_labels(places: Sequence[float], character: float) -> list[tuple[float, str]]:
    """Labels 1, 2, ... of marks at `places` (0..1), joined to "1,3" where they would overlap.

    `character` is the width of one character on that scale. Returns where the middle of each label goes, and its text,
    from left to right.
    """

    def text_of(group: Sequence[tuple[float, int]]) -> str:
        return ",".join(str(number) for number in sorted(number for _, number in group))

    def middle_of(group: Sequence[tuple[float, int]]) -> float:
        return sum(place for place, _ in group) / len(group)

    groups: list[list[tuple[float, int]]] = []
    for mark in sorted((place, number) for number, place in enumerate(places, start=1)):
        group = [mark]
        while groups:
            room = (len(text_of(groups[-1])) + len(text_of(group)) + 2) / 2 * character
            if middle_of(group) - middle_of(groups[-1]) >= room:
                break
            group = [*groups.pop(), *group]
        groups.append(group)
    return [(middle_of(group), text_of(group)) for group in groups]
