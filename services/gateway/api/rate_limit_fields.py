"""The header fields that state rate limits, and the paths without any (draft-ietf-httpapi-ratelimit-headers-11)."""

POLICY_HEADER = "RateLimit-Policy"
LIMIT_HEADER = "RateLimit"
# Requested by machines every few seconds.
EXEMPT_PATHS = frozenset({"/health", "/ready", "/metrics"})
