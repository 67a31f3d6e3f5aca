"""Where the numbers of a picture's marks go, so that they don't overlap."""

from collections.abc import Sequence


def join_labels(places: Sequence[float], character: float) -> list[tuple[float, str]]:
    """Return the labels 1, 2, ... of the marks at `places`, joined to "1,3" where they would overlap.

    Parameters
    ----------
    places
        Of the marks, 0 to 1.
    character
        Width of one character on that scale.

    Returns
    -------
    list of (float, str)
        The place of each label's middle, and its text, from left to right.
    """

    def text_of(group: Sequence[tuple[float, int]]) -> str:
        return ",".join(str(number) for number in sorted(number for _, number in group))

    def middle_of(group: Sequence[tuple[float, int]]) -> float:
        return sum(place for place, _ in group) / len(group)

    groups: list[list[tuple[float, int]]] = []
    for mark in sorted((place, number) for number, place in enumerate(places, start=1)):
        group = [mark]
        while groups:
            needed = (len(text_of(groups[-1])) + len(text_of(group)) + 2) / 2 * character
            if middle_of(group) - middle_of(groups[-1]) >= needed:
                break
            group = [*groups.pop(), *group]
        groups.append(group)
    return [(middle_of(group), text_of(group)) for group in groups]
