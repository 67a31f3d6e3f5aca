"""Measurements on hits: arrays in, numbers out."""
