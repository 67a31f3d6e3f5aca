"""One file per subject of the API."""
