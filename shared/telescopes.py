"""Names of telescopes, by the numbers that SIGPROC headers have for them."""

# SIGPROC's numbers of telescopes.
TELESCOPES = {
    1: "Arecibo",
    2: "Ooty",
    3: "Nancay",
    4: "Parkes",
    5: "Jodrell Bank",
    6: "GBT",
    7: "GMRT",
    8: "Effelsberg",
    9: "ATA",
    10: "SRT",
    11: "LOFAR",
    12: "VLA",
    20: "CHIME",
    21: "FAST",
    64: "MeerKAT",
    65: "KAT-7",
}


def telescope_name(telescope_id: int) -> str:
    """Return the name of a telescope by SIGPROC's number; 0 means unknown."""
    return TELESCOPES.get(telescope_id, f"SIGPROC id {telescope_id}" if telescope_id else "unknown")
