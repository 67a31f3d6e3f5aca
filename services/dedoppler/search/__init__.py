"""From normalised power to one box per emitter."""
