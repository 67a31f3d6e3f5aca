"""The header fields that state rate limits, and the paths without any (draft-ietf-httpapi-ratelimit-headers-11)."""

from services.gateway.api.dashboard_paths import APP_PREFIX

POLICY_HEADER = "RateLimit-Policy"
LIMIT_HEADER = "RateLimit"
# Requested by machines every few seconds.
EXEMPT_PATHS = frozenset({"/health", "/ready", "/metrics"})


def is_exempt(path: str) -> bool:
    """Return whether no limit counts requests for a path.

    The dashboard is many small files, which are answered from memory: people behind one address open it at once.
    """
    return path in EXEMPT_PATHS or path.startswith(APP_PREFIX)
