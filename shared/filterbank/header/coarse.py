"""Derive the coarse channels that a file's fine channels were made of."""

from shared.header import GREEN_BANK_TELESCOPE_ID

ATA_TELESCOPE_ID = 9

# Fine channels per coarse channel of the known high-resolution products.
KNOWN_WIDTHS = {GREEN_BANK_TELESCOPE_ID: (1048576, 1033216, 999424), ATA_TELESCOPE_ID: (262144,)}
# Coarser products of the same telescopes come from other transforms.
HIGH_RESOLUTION_HZ = 10.0
# Fewer channels are too few to measure noise.
MIN_WIDTH = 256


def coarse_channel_width(
    *, declared: int, telescope_id: int, n_channels: int, channel_width_hz: float
) -> tuple[int | None, str | None]:
    """Return the fine channels per coarse channel, or None if there are no coarse channels; and a warning, or None.

    `declared` is the header's nfpc, or 0. If it does not divide the band, the file was trimmed, and where its coarse
    channels begin is unknown.
    """
    if declared >= MIN_WIDTH and n_channels % declared == 0:
        return declared, None
    if 0 < declared < MIN_WIDTH:
        return None, f"nfpc in the header is {declared}; coarse channels this narrow were ignored."
    if declared != 0:
        return (
            None,
            f"nfpc in the header is {declared}, which does not divide the {n_channels} channels; it was ignored.",
        )
    if abs(channel_width_hz) < HIGH_RESOLUTION_HZ:
        for width in KNOWN_WIDTHS.get(telescope_id, ()):
            if n_channels % width == 0:
                return width, None
    return None, None
