"""Errors that the command line shows as one sentence."""


class LocalError(RuntimeError):
    """An expected failure; the message says what happened and what to do."""
