"""Every test, and what times the code: a package of its own, whatever else is installed under this name."""
