"""Measures and removes the noise: from raw power to power of mean 0 and sigma 1."""
