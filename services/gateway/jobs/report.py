"""What users report about their jobs."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """A user's report about a job. `metadata` is JSON text, so that none of its names has a meaning to the database."""

    report_id: str
    user_id: str
    job_id: str
    error_type: str
    description: str
    metadata: str
    created_at: int


def nesting_depth(content: Any) -> int:
    """Return how deeply objects and lists are nested in decoded JSON: 0 for a number or a text."""
    depth, level = 0, [content]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [one for parent in level for one in (parent.values() if isinstance(parent, dict) else parent)]
    return depth
