"""Gateway: the REST API, and the owner of users, API keys and job records.

It serves the API over HTTP, and issues presigned URLs, so that observations never pass through it. It publishes
`observation.submitted`, through an outbox in the job document. It consumes `observation.classified`,
`observation.exported`, `job.progress` and `job.failed`, and updates the jobs. It writes MongoDB, which no other service
opens. The only objects that it writes to S3 are verdicts, for catalogues that are asked for with them. It deletes the
objects of removed jobs, and uploads that no job uses. It never reads an observation.
"""
