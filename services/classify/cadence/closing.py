"""After the measurement: the events of a cadence."""

from collections.abc import Mapping

import numpy as np

from services.classify.cadence.chance import chance_warnings
from services.classify.cadence.document import Origin, Verdicts, document
from services.classify.cadence.doubles import without_doubles
from services.classify.cadence.families import families_of, histories
from services.classify.cadence.joining import Joined
from services.classify.cadence.observed import observed
from services.classify.cadence.verdict import judged, middle_s
from shared.cadence_document import CadenceDocument
from shared.tracks import Measurements


def close(
    joined: Joined,
    measured: Mapping[int, Measurements] | None,
    origin: Origin,
    more_warnings: tuple[str, ...] = (),
) -> CadenceDocument:
    """Decide which tracks are events, and return everything that is known of the cadence.

    The same input gives the same document.

    Parameters
    ----------
    joined
        What `joining.join` returned for the same scans and parameters.
    measured
        By the place of a scan in `joined.scans`: the measurements of all tracks in it, rows of
        `shared.tracks.MEASUREMENT_DTYPE` in any order. A scan that is not named has no samples: its hit list speaks for
        it. None, if nothing was measured in any scan.
    origin
        Whose cadence it is, and how long it took.
    more_warnings
        Of the measurement, and how the roles were found.

    Returns
    -------
    CadenceDocument
        With its summary.
    """
    seen = observed(joined, measured)
    judgement = without_doubles(joined, seen, judged(joined, seen))
    more_warnings = (*more_warnings, *chance_warnings(joined, int(judgement.is_event.sum())))
    moving = (~judgement.stands_still).astype(np.uint8)
    families = families_of(joined.association, joined.lines, joined.ons, moving)
    history = histories(joined.association, middle_s(joined))
    return document(Verdicts(joined, seen, judgement, families, history), origin, more_warnings)
