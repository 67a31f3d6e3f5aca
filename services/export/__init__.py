"""Export: turns a classified observation into the files that users download.

Consumes `observation.classified`; reads `results.json`, the chunks' hits objects and, for its checksum, the uploaded
observation; writes the catalogues and the pictures beside the results and publishes `observation.exported` (and
`job.progress`). The same event writes the same bytes. It never labels or ranks anything, never opens MongoDB.

`columns` is the one table of the catalogue's columns and `provenance` that of its header; `catalogs` (CSV and JSON),
`fits_table`, `votable`, `parquet` and `dat` write them; `picture` draws.
"""
