"""Which coarse channels a file's fine channels came from."""

from shared.header import GREEN_BANK_TELESCOPE_ID

ATA_TELESCOPE_ID = 9

# Fine channels per coarse channel of the known high-resolution products.
KNOWN_WIDTHS = {GREEN_BANK_TELESCOPE_ID: (1048576, 1033216, 999424), ATA_TELESCOPE_ID: (262144,)}
# Coarser products of the same telescopes have other transforms behind them.
HIGH_RESOLUTION_HZ = 10.0
# Noise can't be measured within fewer channels.
MIN_WIDTH = 256


def coarse_channel_width(
    *, declared: int, telescope_id: int, n_channels: int, channel_width_hz: float
) -> tuple[int | None, str | None]:
    """Fine channels per coarse channel, or None where there is no such structure; and a warning, or None.

    `declared` is the header's nfpc, or 0. One that does not divide the band is of no use: where coarse channels begin
    in a trimmed file is not known.
    """
    if declared >= MIN_WIDTH and n_channels % declared == 0:
        return declared, None
    if 0 < declared < MIN_WIDTH:
        return None, f"nfpc in the header is {declared}; coarse channels so narrow were left out of account."
    if declared != 0:
        return (
            None,
            f"nfpc in the header is {declared}, which does not divide the {n_channels} channels; it was left out.",
        )
    if abs(channel_width_hz) < HIGH_RESOLUTION_HZ:
        for width in KNOWN_WIDTHS.get(telescope_id, ()):
            if n_channels % width == 0:
                return width, None
    return None, None
