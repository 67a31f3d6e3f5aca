"""The catalogue as Parquet, for pandas, pyarrow, DuckDB and others; the same rows give the same bytes."""

import io
import json

import pyarrow as pa  # type: ignore[import-untyped]
from pyarrow.parquet import write_table  # type: ignore[import-untyped]

from services.export.columns import HITS
from services.export.provenance import Provenance
from shared.table import Cells, Column, Contents

TYPES = {"text": pa.string(), "number": pa.float64(), "count": pa.int64()}


def _field(column: Column) -> pa.Field:
    about = {"unit": column.unit, "ucd": column.ucd, "description": column.description}
    return pa.field(column.name, TYPES[column.kind], metadata={key: value for key, value in about.items() if value})


def to_parquet(cells: Cells, provenance: Provenance, contents: Contents = HITS) -> bytes:
    """Return a file with one row group; a cell without a value is null.

    Units, UCDs and descriptions are in the fields' metadata, facts as JSON in the schema's (key `waterhole`).
    """
    about = {"facts": provenance.values(), "warnings": list(provenance.warnings)}
    schema = pa.schema(map(_field, contents.columns), metadata={"waterhole": json.dumps(about, ensure_ascii=False)})
    table = pa.Table.from_pydict({column.name: cells[column.name] for column in contents.columns}, schema=schema)
    buffer = io.BytesIO()
    # With every option stated, the bytes depend only on the rows and on pyarrow's version.
    write_table(
        table,
        buffer,
        row_group_size=max(1, table.num_rows),
        version="2.6",
        data_page_version="1.0",
        compression="zstd",
        compression_level=3,
        use_dictionary=True,
        write_statistics=True,
        store_schema=True,
    )
    return buffer.getvalue()
