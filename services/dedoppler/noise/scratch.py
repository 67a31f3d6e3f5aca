"""The memory of raw and of normalised power, kept from one chunk to the next."""

import numpy as np

from shared.arrays import Power


class Scratch:
    """Lends out memory and keeps the array that was given back last.

    The operating system takes as long to map fresh pages as a kernel takes to fill them, so consecutive chunks share
    one array. Several threads may use one `Scratch`: an array is lent to one of them at a time.
    """

    def __init__(self) -> None:
        self._kept: list[Power] = []

    def take(self, size: int) -> Power:
        """Return float32 (size,) with arbitrary contents: part of the kept array if it is large enough, or a new one.

        Parameters
        ----------
        size : int
            Number of samples.
        """
        try:
            memory = self._kept.pop()
        except IndexError:
            memory = np.empty(size, np.float32)
        if len(memory) < size:
            memory = np.empty(size, np.float32)
        return memory[:size]

    def block(self, shape: tuple[int, int]) -> Power:
        """Return float32 of a shape (spectra, channels) with arbitrary contents, as `take` does."""
        return self.take(shape[0] * shape[1]).reshape(shape)

    def give_back(self, array: Power) -> None:
        """Keep the memory of `array`, a view of what `take` returned, for the next call; the caller stops using it.

        An array that has its own memory is not kept.
        """
        memory = array.base
        if memory is not None:
            self._kept[:] = [memory]
