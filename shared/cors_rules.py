"""Which web pages may use the presigned URLs of a bucket: the bucket's CORS rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RULE_ID = "waterhole-pages"
# How long a browser caches a preflight, s.
MAX_AGE_S = 600


@dataclass(frozen=True)
class PageRule:
    """Pages of these origins may send these methods, with any headers, and read the headers in `exposed`."""

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    exposed: tuple[str, ...]

    def to_s3(self) -> dict[str, Any]:
        """Return the rule as S3 spells it."""
        return {
            "ID": RULE_ID,
            "AllowedOrigins": list(self.origins),
            "AllowedMethods": list(self.methods),
            "AllowedHeaders": ["*"],
            "ExposeHeaders": list(self.exposed),
            "MaxAgeSeconds": MAX_AGE_S,
        }


def with_rule(rules: Sequence[Mapping[str, Any]], rule: PageRule) -> list[dict[str, Any]]:
    """Return a bucket's rules with ours first, in place of an earlier one of ours. Rules of others stay."""
    return [rule.to_s3(), *(dict(other) for other in rules if other.get("ID") != RULE_ID)]
