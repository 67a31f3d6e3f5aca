"""Simulation, training and measurement: programs for developers, no part of any service."""
