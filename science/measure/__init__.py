"""Measures the accuracy of the search: `python -m science.measure`."""
