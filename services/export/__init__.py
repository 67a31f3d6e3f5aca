"""Export: turns a classified observation into the files that users download.

Consumes `observation.classified`; reads `results.json` and the chunks' hits objects; writes the catalogues (JSON, CSV,
FITS) and the pictures beside them in the results bucket and publishes `observation.exported` (and `job.progress`). The
same event writes the same bytes. It never labels or ranks anything, never reads the observation, never opens MongoDB.
"""
