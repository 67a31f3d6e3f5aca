"""Ingest: checks that an upload is a valid observation and plans the chunks of its search.

It consumes `observation.submitted`, reads the header of the uploaded file by byte ranges, and publishes `chunk.ready`
for the first chunk of each lane (dedoppler announces the later ones) and `job.progress`. A file that can't be searched
ends as `job.failed` with a sentence for the user.

It stores the plan as `jobs/{job_id}/plan.json` and reuses it when the job is submitted again, unless the plan's chunks
exceed a limit that was lowered since. It keeps no other state, never reads samples and never opens MongoDB.
"""
