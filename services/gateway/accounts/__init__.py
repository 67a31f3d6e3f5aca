"""Users and their API keys. Knows neither HTTP nor MongoDB."""
