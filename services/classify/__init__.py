"""Classify: the fan-in of a job. Labels every hit and ranks what is left to look at.

Consumes `chunk.searched`; reads every hits object of the job from the results bucket. When all chunks are there, it
writes `jobs/{job_id}/results.json`, notes in `jobs/{job_id}/finished_by_chunk` with which chunk's event that was, and
publishes `observation.classified` (and `job.progress`, with about a hundred of the chunks). It keeps no state: which
chunks are done is what the bucket lists. It never reads the observation itself and never opens MongoDB.
"""
