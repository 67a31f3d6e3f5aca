"""Measures tracks that are known from other scans: what this scan's samples hold along them."""
