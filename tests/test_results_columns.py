"""The page about tables: every column that a study writes, and no other."""

from small_study import small_study

from semsim.io.tables import read_table
from semsim.metrics import METRICS
from semsim.results.columns import COLUMNS, TABLES, page


def tables_of(folder):
    """Yield the name and the columns of every table of the small study and of its studies of defects."""
    for path in sorted(folder.parent.glob("*/tables/*.csv")):
        yield path.stem, list(read_table(path).columns)


def test_every_column_of_every_table_is_described_in_order(tmp_path_factory):
    found = set()
    for name, columns in tables_of(small_study(tmp_path_factory.getbasetemp())):
        described = [column for column in TABLES[name].names if column in columns or column not in METRICS]
        assert described == columns, f"{name}.csv"
        assert all(TABLES[name].meaning(column) for column in columns)
        found.add(name)
    assert set(TABLES) - found == {"targets", "correspondence"}, "of the human study, and of studies that replay labels"


def test_no_meaning_is_kept_of_a_column_that_no_table_has():
    used = {column for table in TABLES.values() for column in table.names}
    assert set(COLUMNS) - used <= {metric.name for metric in METRICS.values()}
    for name, table in TABLES.items():
        assert set(table.own) <= set(table.names), name


def test_the_page_is_made_from_the_descriptions(house):
    assert (house / "docs" / "tables.md").read_text(encoding="utf-8") == page(), "run python -m semsim.results.columns"
