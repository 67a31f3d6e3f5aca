"""Errors with a public code.

A `TransientError` is worth a retry (a server is unavailable, a timeout). A `PermanentError` fails again in the same way
(a bad file): the event goes to the dead-letter topic, and the user gets the error's message.
"""


class WaterholeError(Exception):
    """Base of every error that the services raise on purpose.

    `code` is stable and machine-readable; `message` is a sentence for the user and never contains a secret.
    """

    code = "internal_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class TransientError(WaterholeError):
    """A server is unavailable or slow; the same work may succeed later."""

    code = "temporarily_unavailable"


class PermanentError(WaterholeError):
    """The same input always fails; `message` names the problem and its fix."""

    code = "processing_failed"


class BadObservationError(PermanentError):
    """An observation file that can't be searched; `message` names the file, the field and the fix."""

    code = "bad_observation"


class ObjectNotFoundError(PermanentError):
    """An object does not exist in S3."""

    code = "object_not_found"


class ObjectChangedError(PermanentError):
    """An object is no longer the one that was accepted: it was replaced, so its ETag or its size is another."""

    code = "file_replaced"
