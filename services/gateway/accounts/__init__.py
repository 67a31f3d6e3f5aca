"""Users and their API keys: the rules and the flows. Nothing here imports HTTP or MongoDB."""
