"""Ways to run Waterhole; `deploy.local` runs it on one machine."""
