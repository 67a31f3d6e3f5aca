"""Ingest: is the upload a sound observation, and how is it cut up for the search.

Consumes `observation.submitted`; reads only the header of the uploaded file, as byte ranges; publishes `chunk.ready`
for the first chunk of each lane (dedoppler announces the next ones) and `job.progress`. A file that can't be searched
ends as `job.failed` with a sentence for the user. It writes `jobs/{job_id}/plan.json`, how the job was cut when it was
first submitted, and obeys it when it is submitted again (unless the limit on chunks was lowered below them). It keeps
no state, and never reads the samples or opens MongoDB.
"""
