"""Where the dashboard is: everything below this path is public, and counted by no rate limit."""

APP_ROOT = "/app"
APP_PREFIX = "/app/"
