"""Why a request about an observation is refused. `services.gateway.api.errors` turns each into an HTTP answer."""


class ObservationError(Exception):
    """Base of the errors of observations; `message` is a sentence for the user."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadChannelsError(ObservationError):
    """The range of channels is no range of the observation."""

    def __init__(self, n_channels: int) -> None:
        super().__init__(
            "The parameters start_channel and stop_channel must be whole numbers with 0 <= start_channel < "
            f"stop_channel <= {n_channels}, the observation's number of channels."
        )


class RangeTooLargeError(ObservationError):
    """The answer would be larger than one may be."""


class NoWaterfallError(ObservationError):
    """The job has no waterfall, or not yet."""


class UnknownLevelError(ObservationError):
    """The waterfall has no level of this factor."""


class UnknownStatisticError(ObservationError):
    """A level has no such statistic."""


class SpectraNotReadableError(ObservationError):
    """Samples of the observation can't be read from its file at a bearable cost."""


class ObservationGoneError(ObservationError):
    """The file is no longer in storage as it was analyzed."""

    def __init__(self) -> None:
        super().__init__(
            "The uploaded file is no longer in storage as it was analyzed; upload it again to read its spectra."
        )
