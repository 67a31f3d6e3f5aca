"""What holds for every test."""

from hypothesis import settings

# The same examples on every run: what passes here passes there.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
