"""The body of POST /cadences."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from services.gateway.api.bodies import Body, Key, Name
from shared.cadence import MAX_SCANS, CadenceParameters, Role
from shared.event_fields import Sha256
from shared.events import MaxDriftRate, SearchParameters, SnrThreshold
from shared.polarisations import IfChoice, PolType

# What a scan that is a job has already.
_OF_FILE = ("filename", "source_name", "sha256")


class ScanBody(Body):
    """One scan: an uploaded file, for which a job is started, or one of your jobs."""

    file_key: Key | None = Field(
        default=None, description="The uploaded file. A scan has either a file_key or a job_id."
    )
    job_id: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = Field(
        default=None, description="A job of yours, which may still run."
    )
    role: Role | None = Field(
        default=None,
        description="Whether the telescope looked at the target (`on`) or away from it (`off`). Roles that are left "
        "out are proposed from times, source names and file names.",
    )
    filename: Name | None = Field(default=None, description="Only with file_key; as in POST /analyze.")
    source_name: Name | None = Field(default=None, description="Only with file_key; as in POST /analyze.")
    sha256: Sha256 | None = Field(default=None, description="Only with file_key; as in POST /analyze.")

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.file_key is None) == (self.job_id is None):
            raise ValueError("a scan has either a file_key or a job_id")
        given = [name for name in _OF_FILE if self.job_id is not None and getattr(self, name) is not None]
        if given:
            raise ValueError(f"a scan with a job_id has no {given[0]}")
        return self


class CadenceParametersBody(Body):
    """The rule that makes a track an event, and the search of the files for which jobs are started."""

    min_on_scans: int | None = Field(
        default=None, ge=1, le=MAX_SCANS, description="In how many ON scans an event must be present; all by default."
    )
    max_drift_change_hz_s2: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="The fastest change of drift rate that one track may have, Hz/s^2; 1e-4 by default.",
    )
    off_snr: float | None = Field(
        default=None,
        ge=1.0,
        le=1e6,
        description="An OFF scan with at least this SNR along the track rules the event out; 3.5 by default.",
    )
    snr_threshold: SnrThreshold | None = Field(
        default=None,
        description="Lowest signal-to-noise ratio of a hit that starts a track, and of the hits that the search of new "
        "files lists; 10 by default.",
    )
    max_drift_rate_hz_s: MaxDriftRate | None = Field(default=None, description="For new files; as in POST /analyze.")
    ifs: IfChoice | None = Field(default=None, description="For new files; as in POST /analyze.")
    pol_type: PolType | None = Field(default=None, description="For new files; as in POST /analyze.")
    chirps: bool | None = Field(default=None, description="For new files; as in POST /analyze.")


class CadenceBody(Body):
    """POST /cadences."""

    name: Name | None = Field(
        default=None, description="For display; by default `source_name` of the first ON scan, else its file name."
    )
    scans: list[ScanBody] = Field(min_length=2, max_length=MAX_SCANS, description="In any order of time.")
    parameters: CadenceParametersBody = CadenceParametersBody()

    def rule(self) -> CadenceParameters:
        """Return the rule for events, with defaults for what the user left out."""
        given = self.parameters.model_dump(include=set(CadenceParameters.model_fields), exclude_none=True)
        return CadenceParameters(**given)

    def search_parameters(self) -> SearchParameters:
        """Return the parameters of the search of new files, with defaults for what the user left out."""
        given = self.parameters.model_dump(include=set(SearchParameters.model_fields), exclude_none=True)
        return SearchParameters(**given)
