"""Dedoppler: the search. Finds the narrowband signals above the threshold in one chunk of an observation.

Consumes `chunk.ready`; reads the chunk's byte ranges of the upload; writes `jobs/{job_id}/hits/{chunk}.npz` (hits,
cut-outs, noise statistics, a waterfall) and publishes `chunk.searched`, and `chunk.ready` for the next chunk of the
lane. It searches each chunk by itself; it assigns no labels and does not use MongoDB.
"""
