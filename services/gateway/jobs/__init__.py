"""Jobs: submission, progress, limits and removal. Nothing here imports HTTP or MongoDB."""
