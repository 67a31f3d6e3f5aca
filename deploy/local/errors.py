"""What the command line tells its user in one sentence."""


class LocalError(RuntimeError):
    """Something that is expected to go wrong now and then; the message says what, and how to mend it."""
