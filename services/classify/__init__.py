"""Classify: the fan-in of a job. Labels every hit and ranks what is left to look at.

Consumes `chunk.searched`; reads every hits object of the job from the results bucket; when all chunks are there, writes
`jobs/{job_id}/results.json` and publishes `observation.classified` (and `job.progress` on every chunk). It keeps no
state: which chunks are done is what the bucket lists. It never reads the observation itself and never opens MongoDB.
"""
