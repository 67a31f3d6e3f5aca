"""What a job is to do: the parameters of its search, and what the tier allows for it."""

from typing import Annotated

from pydantic import Field

from shared.chunks import Record
from shared.event_fields import MAX_SECONDS, MAX_UNPACKED_BYTES
from shared.polarisations import IfChoice, PolType

SnrThreshold = Annotated[float, Field(ge=5.0, le=1e6)]
MaxDriftRate = Annotated[float, Field(ge=0.0, le=50.0)]


class SearchParameters(Record):
    """The search parameters that the user chose."""

    snr_threshold: SnrThreshold = 10.0
    max_drift_rate_hz_s: MaxDriftRate = 4.0
    ifs: Annotated[IfChoice, Field(exclude_if=lambda choice: choice == "first")] = "first"
    pol_type: Annotated[PolType | None, Field(exclude_if=lambda pol_type: pol_type is None)] = None
    chirps: bool = Field(
        default=False,
        exclude_if=lambda chirps: not chirps,
        description="Whether signals whose drift rate changes are searched for too.",
    )


class JobLimits(Record):
    """What the user's tier allows for one job."""

    max_unpacked_bytes: int = Field(
        ge=1, le=MAX_UNPACKED_BYTES, description="Bytes of the samples of the file, once they are unpacked."
    )
    max_processor_s: float = Field(
        gt=0, le=MAX_SECONDS, description="Processor time of the whole job, as ingest predicts it, s."
    )
