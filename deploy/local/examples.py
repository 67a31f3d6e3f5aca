"""The example observation of a local stack, as the gateway's settings name it."""

import json
import os

VARIABLE = "WATERHOLE_EXAMPLES"
KEY = "examples/voyager_1.fil"
EXAMPLES = [
    {
        "name": "voyager_1",
        "key": KEY,
        "filename": "voyager_1.fil",
        "description": "A simulated observation of Voyager 1 at 8.4 GHz: its carrier with two sidebands, in one coarse "
        "channel of 16 spectra.",
    }
]


def is_ours() -> bool:
    """Return whether the environment names no other examples."""
    return VARIABLE not in os.environ


def example_settings() -> dict[str, str]:
    """Return the gateway's setting that names the example, unless the environment names others."""
    return {VARIABLE: os.environ.get(VARIABLE, json.dumps(EXAMPLES))}
