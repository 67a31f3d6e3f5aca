"""Find the Chromium of this machine. The tests download no browser."""

import os
import shutil
from pathlib import Path

VARIABLE = "WATERHOLE_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NONE_FOUND = (
    "NO BROWSER: the dashboard was not tested, because no Chromium was found. Install Debian's package chromium, or "
    f"set {VARIABLE} to the path of a Chromium."
)


def find_chromium() -> Path | None:
    """Return the path of the browser: the one that the environment names, or the first of the usual names."""
    named = os.environ.get(VARIABLE)
    if named:
        path = Path(named)
        if not path.is_file():
            raise FileNotFoundError(f"{VARIABLE} is {named}, and there is no such file.")
        return path
    found = next((place for name in NAMES if (place := shutil.which(name))), None)
    return None if found is None else Path(found)
