"""What the child answers where it can't give what was asked for."""

MAX_SHOWN = 160


class UnreadableError(Exception):
    """The file can't be searched; the message says why and how to fix it."""


class DamagedError(Exception):
    """The HDF5 library fails on the file; the message is the cause that it gives, without punctuation at its end."""

    @classmethod
    def by(cls, error: Exception) -> "DamagedError":
        """Return the error for one that h5py raised."""
        return cls((str(error).splitlines() or [type(error).__name__])[0][:MAX_SHOWN])
