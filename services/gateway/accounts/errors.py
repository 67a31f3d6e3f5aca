"""Why a request about API keys is refused. `services.gateway.api.errors` turns each error into an HTTP answer."""


class AccountError(Exception):
    """Base of the errors of users and API keys."""


class KeyLimitError(AccountError):
    """The user already has `limit` usable API keys."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The user has {limit} usable keys.")
        self.limit = limit


class UnknownKeyError(AccountError):
    """No API key has this id."""


class KeyOfAnotherUserError(AccountError):
    """The API key belongs to a different user."""


class KeysNotInTierError(AccountError):
    """The user's tier does not include API keys."""

    def __init__(self, tier: str) -> None:
        super().__init__(f"The tier {tier} has no API keys.")
        self.tier = tier
