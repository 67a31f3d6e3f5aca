"""Export: turns a classified observation into the files that users download.

It consumes `observation.classified`, reads `results.json`, the chunks' hits objects and, for its checksum, the uploaded
observation. It writes the catalogues and pictures next to the results and publishes `observation.exported` and
`job.progress`. The same event writes the same bytes. It doesn't label or rank, and doesn't use MongoDB.

For `observation.reviewed`, it writes the catalogues with the verdicts of the user (`reviewed`).

`columns` lists the catalogue's columns, `provenance` the facts of its header; `catalogs` (CSV and JSON), `fits_table`,
`votable`, `parquet` and `dat` write them. `waterfall` joins the chunks' waterfalls, `picture` draws them. `artefacts`
makes all files of a job.
"""
