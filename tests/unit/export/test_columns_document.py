"""`docs/catalogue.md` says what the catalogues hold."""

from deploy.local.servers import REPOSITORY
from services.export.columns import COLUMNS


def test_the_document_lists_every_column_in_order() -> None:
    lines = (REPOSITORY / "docs/catalogue.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"`{column.name}`" for column in COLUMNS]
    assert [row[2:] for row in rows] == [[column.unit, column.ucd, column.description] for column in COLUMNS]
