"""Classify: labels every hit of a job and ranks the candidates, once all chunks are searched.

It consumes `chunk.searched` and reads the job's hits objects from the results bucket. When all chunks are there, it
writes `jobs/{job_id}/results.json`, stores in `jobs/{job_id}/finished_by_chunk` the index of the chunk whose event
finished the job, and publishes `observation.classified`. For about a hundred of the chunks it publishes `job.progress`.
It keeps no state: the chunks that are done are those that the bucket lists. It reads neither the observation nor
MongoDB.

`classification` calls, in this order, `measurement` (one list of measured hits), `model` (shapes), `labels`, `grouping`
and `ranking`; `selection` picks the filtered hits and candidates; `results_document` makes `results.json`.
"""
