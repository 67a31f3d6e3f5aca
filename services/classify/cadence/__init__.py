"""Cadences: which tracks are in the ON scans of a target and not in the OFF scans. Nothing here knows the bus or S3."""
