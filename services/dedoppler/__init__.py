"""Dedoppler: the search. Finds every drifting narrowband signal in one chunk of an observation.

Consumes `chunk.ready`; reads the chunk's byte ranges of the upload; writes `jobs/{job_id}/hits/{chunk}.npz` (hits,
cut-outs, noise statistics, a waterfall) and publishes `chunk.searched`. It knows nothing of other chunks, labels
nothing and never opens MongoDB.
"""
