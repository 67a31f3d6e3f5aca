"""From the chunks' hits objects to one labelled, grouped and scored list of hits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.classify.evidence import Evidence, model_rows
from services.classify.grouping import group_hits, rfi_for_whole_groups
from services.classify.kernels.features import Features
from services.classify.kernels.neighbours import count_within
from services.classify.labels import Verdict, label
from services.classify.measurement import LIKE_DRIFT_STEPS, MOST_HITS, CutoutsOf, measure_hits
from services.classify.model import ShapeModel
from services.classify.ranking import components, interestingness
from shared.arrays import Hits
from shared.events import SearchParameters
from shared.header import Header
from shared.hits import ChunkHits
from shared.labels import BROADBAND
from shared.polarisations import FIRST_IF, Ifs

NEIGHBOUR_REACH_HZ = 5000.0


@dataclass(frozen=True)
class ClassifiedHit:
    """One hit with everything known about it.

    `number` counts from 0 in order of channel and drift. `chunk` and `chunk_hit` say in which hits object it is (with
    its cut-out), and where in it. `neighbours` counts the other hits within 5 kHz. `group` is the number of the
    strongest hit of the same emitter; its own if that is it. `parts` are the components of its interestingness. `ifs`
    are the IFs that show it, strongest first, or with `is_sum` those whose sum was searched.
    """

    number: int
    chunk: int
    chunk_hit: int
    values: Hits
    features: Features
    neighbours: int
    evidence: Evidence
    verdict: Verdict
    group: int
    parts: dict[str, float]
    interestingness: float
    ifs: Ifs = FIRST_IF
    is_sum: bool = False

    @property
    def if_index(self) -> int | None:
        """The IF in which it is strongest; None for a sum of IFs."""
        return None if self.is_sum else self.ifs[0]

    @property
    def ifs_text(self) -> str:
        """The IFs that show it, strongest first, such as IF1,IF0; a sum as IF0+IF1."""
        return ("+" if self.is_sum else ",").join(f"IF{number}" for number in self.ifs)


def classify_observation(
    header: Header,
    parameters: SearchParameters,
    chunks: Sequence[ChunkHits],
    model: ShapeModel,
    *,
    most: int = MOST_HITS,
    cutouts_of: CutoutsOf | None = None,
) -> list[ClassifiedHit]:
    """Merge, measure, label, group and score the hits of all chunks.

    Parameters
    ----------
    header
        Of the whole observation.
    parameters
        Those of the search.
    chunks
        What was found in each chunk, in order.
    model
        The model of signal shapes.
    most
        Largest number of hits to keep, strongest first.
    cutouts_of
        Returns the cut-outs of the chunk of an index, see `measure_hits`.

    Returns
    -------
    list of ClassifiedHit
        In order of channel and drift; `number` is the index.
    """
    measured = measure_hits(header, parameters, chunks, most=most, cutouts_of=cutouts_of)
    evidence = measured.evidence
    shapes = model.shapes(model_rows(evidence))
    verdicts = [label(item, shape) for item, shape in zip(evidence, shapes, strict=True)]
    is_broad = np.array([verdict.shape == BROADBAND for verdict in verdicts], dtype=bool)
    broad_emission = np.where(is_broad, measured.broad_emission, -1)
    comb_spacing_hz = [item.comb_spacing_hz for item in evidence]
    groups = group_hits(measured.hits, comb_spacing_hz, broad_emission.tolist(), LIKE_DRIFT_STEPS)
    verdicts = rfi_for_whole_groups(verdicts, groups)
    neighbours = count_within(measured.hits["frequency_hz"], NEIGHBOUR_REACH_HZ)
    classified = []
    for i, (item, verdict) in enumerate(zip(evidence, verdicts, strict=True)):
        parts = components(item, verdict)
        classified.append(
            ClassifiedHit(
                number=i,
                chunk=int(measured.chunk[i]),
                chunk_hit=int(measured.chunk_hit[i]),
                values=measured.hits[i],
                features=item.features,
                neighbours=int(neighbours[i]),
                evidence=item,
                verdict=verdict,
                group=groups[i],
                parts=parts,
                interestingness=interestingness(parts),
                ifs=measured.seen_in_ifs[i],
                is_sum=len(chunks[int(measured.chunk[i])].ifs) > 1,
            )
        )
    return classified
