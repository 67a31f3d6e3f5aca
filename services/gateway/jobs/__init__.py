"""What happens to jobs: submission, progress, limits, removal. Knows neither HTTP nor MongoDB."""
