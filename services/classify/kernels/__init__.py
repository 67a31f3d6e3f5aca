"""Measures of hits, the model's trees, distances from what it knows: arrays in, numbers out."""
