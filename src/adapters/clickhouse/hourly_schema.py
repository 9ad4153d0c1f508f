"""Makes the table and the view, and sees that they are the ones the program writes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters.clickhouse.hourly_table import PARTITION_KEY, PRIMARY_KEY, SORTING_KEY, HourlyTable
from adapters.clickhouse.sql_text import quoted_identifier

_ENGINE = "ReplacingMergeTree"  # Replicated and Shared ones end with it

_SELECT_TABLES = (
    "SELECT name, engine, partition_key, primary_key, sorting_key FROM system.tables "
    "WHERE database = {database:String} AND name IN {names:Array(String)}"
)
_SELECT_COLUMNS = (
    "SELECT table, name, type, default_kind, default_expression FROM system.columns "
    "WHERE database = {database:String} AND table IN {names:Array(String)}"
)
_TOLD_DIFFERENCES = 3


class HourlySchema:
    """The database, the table and its view in it.

    Args:
        clickhouse: where they are.
        database: plain name of the database.
        table: what is to be there.

    Raises:
        ConfigurationError: the database's name is no identifier.
    """

    def __init__(self, *, clickhouse: ClickHouseAdapter, database: str, table: HourlyTable) -> None:
        self._clickhouse = clickhouse
        self._database = database
        self._wanted = table
        self.table = f"{quoted_identifier(database)}.{quoted_identifier(table.name)}"
        self.view = f"{quoted_identifier(database)}.{quoted_identifier(table.view)}"

    def ensure_ready(self) -> None:
        """Make what is missing; harmless to repeat, and two SELECTs where nothing is.

        Raises:
            StorageRejected: a table or view of that name and of another shape is there; it is left as it is.
        """
        wanted, shapes = self._wanted, self._shapes()
        if wanted.name not in shapes:
            self._clickhouse.command(f"CREATE DATABASE IF NOT EXISTS {quoted_identifier(self._database)}")
            self._clickhouse.command(wanted.create_table_statement(self.table, self._clickhouse.server_version()))
            shapes = self._shapes()
        self._refuse_another(wanted.name, self._of_table(shapes.get(wanted.name, {})))
        if wanted.view not in shapes:
            self._clickhouse.command(wanted.create_view_statement(self.view, self.table))
            shapes = self._shapes()
        self._refuse_another(wanted.view, self._of_view(shapes.get(wanted.view, {})))

    def differences(self) -> list[str]:
        """What makes the table or the view another one than is wanted, one line each; none where there is no table."""
        shapes = self._shapes()
        table, view = self._wanted.name, self._wanted.view
        if table not in shapes:
            return []
        lines = [f"{self._database}.{table}: {line}" for line in self._of_table(shapes[table])]
        if view not in shapes:
            return [*lines, f"{self._database}.{view} is missing"]
        return lines + [f"{self._database}.{view}: {line}" for line in self._of_view(shapes[view])]

    def table_exists(self) -> bool:
        """Whether a table of that name is there, whatever its shape."""
        return self._wanted.name in self._shapes()

    def drop(self) -> None:
        """Drop the view and the table; harmless when they are missing. The database stays."""
        if not self._shapes():
            return
        self._clickhouse.command(f"DROP VIEW IF EXISTS {self.view}")
        self._clickhouse.command(f"DROP TABLE IF EXISTS {self.table} SYNC")

    def _shapes(self) -> dict[str, dict[str, str]]:
        """Of the table and the view, whichever exist: what each property is, by the names of the expected ones."""
        names = {"database": self._database, "names": [self._wanted.name, self._wanted.view]}
        shapes: dict[str, dict[str, str]] = {}
        for table, engine, partition, primary, sorting in self._clickhouse.query(_SELECT_TABLES, names):
            shapes[str(table)] = {"engine": str(engine), "partition key": str(partition)}
            shapes[str(table)] |= {"primary key": str(primary), "sorting key": str(sorting)}
        for table, name, kind, default_kind, expression in self._clickhouse.query(_SELECT_COLUMNS, names):
            shapes[str(table)][f"column {name}"] = f"{kind} {default_kind} {expression}".strip()
        return shapes

    def _of_table(self, found: Mapping[str, str]) -> list[str]:
        differences = _differences(_expected_table(self._wanted), found)
        if found.get("engine", "").endswith(_ENGINE):
            return differences
        return [f"engine is {found.get('engine', 'missing')!r}, not {_ENGINE!r}", *differences]

    def _of_view(self, found: Mapping[str, str]) -> list[str]:
        return _differences(_expected_view(self._wanted), found)

    def _refuse_another(self, name: str, differences: Sequence[str]) -> None:
        if differences:
            more = f", and {len(differences) - _TOLD_DIFFERENCES} more" if len(differences) > _TOLD_DIFFERENCES else ""
            raise StorageRejected(
                f"{self._database}.{name} has another shape: {'; '.join(differences[:_TOLD_DIFFERENCES])}{more}",
                next_step=f"Rename or drop {self._database}.{name}, then run `./run.sh setup_db`.",
            )


def _differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    return [
        f"{what} is {found.get(what, 'missing')!r}, not {wanted!r}"
        for what, wanted in expected.items()
        if _without_blanks(found.get(what, "missing")) != _without_blanks(wanted)
    ]


def _without_blanks(text: str) -> str:
    return "".join(text.split())


def _expected_table(table: HourlyTable) -> dict[str, str]:
    return {
        "partition key": PARTITION_KEY,
        "primary key": ", ".join(PRIMARY_KEY),
        "sorting key": ", ".join(SORTING_KEY),
        **{
            f"column {column.name}": f"{column.type} {column.kind} {column.expression}".strip()
            for column in table.columns
        },
    }


def _expected_view(table: HourlyTable) -> dict[str, str]:
    return {f"column {name}": table.types[name] for name in table.in_view}
