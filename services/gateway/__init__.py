"""Gateway: the REST API, and the owner of users, API keys and job records.

Serves the API over HTTP; hands out presigned URLs, so that observations never pass through it. Publishes
`observation.submitted`, through an outbox in the job document. Consumes `observation.classified`,
`observation.exported`, `job.progress` and `job.failed`, and moves the jobs on. Writes MongoDB, which nothing else
opens. Writes no object in S3, but removes those of jobs that are gone, and uploads that no job uses. It never reads an
observation.
"""
