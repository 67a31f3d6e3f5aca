"""Finds signals: from normalised power to one box per emitter."""
