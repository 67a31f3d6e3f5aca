"""Errors that carry their public code.

A `TransientError` is worth another try (a server is away, a time-out). A `PermanentError` will fail the same way
for ever (a bad file): the message goes to the dead-letter topic and the user gets its sentence.
"""


class WaterholeError(Exception):
    """Base of every error that the services raise on purpose.

    `code` is stable and machine-readable; `message` is a sentence for the user and never holds a secret.
    """

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class TransientError(WaterholeError):
    """Something outside is away or slow; the same work may succeed later."""

    code = "temporarily_unavailable"


class PermanentError(WaterholeError):
    """The same input will always fail; `message` says what is wrong and how to mend it."""

    code = "processing_failed"


class BadObservationError(PermanentError):
    """An observation file that can't be searched; `message` names the file, the field and the fix."""

    code = "bad_observation"


class ObjectNotFoundError(PermanentError):
    """An object that should be in S3 is not there."""

    code = "object_not_found"
