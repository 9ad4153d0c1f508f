"""What the user of a database may do, as the server itself says.

See https://clickhouse.com/docs/sql-reference/statements/check-grant.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.clickhouse_errors import SYNTAX_ERROR, grant
from adapters._bases.clickhouse_server import Server
from adapters._bases.errors import StorageRejected
from adapters._bases.quoting import quoted_identifier


class Right(NamedTuple):
    """Something that a user may do to a table, a view, or where that is empty the database.

    Attributes:
        name: as GRANT has it, such as ``ALTER UPDATE``.
        database: its plain name.
        of: the plain name of the table or view.
    """

    name: str
    database: str
    of: str = ""

    def __str__(self) -> str:
        return f"{self.name} ON {self.database}.{self.of or '*'}"

    def granted_to(self, clickhouse: ClickHouseAdapter) -> str:
        """The next step of an operator whose user lacks it."""
        address = clickhouse.address
        user = address.user if isinstance(address, Server) else "default"
        return grant(self.name, f"{self.database}.{self.of or '*'}", user)


def lacking(clickhouse: ClickHouseAdapter, rights: Iterable[Right]) -> list[Right] | None:
    """Those that the user does not have; None where the server cannot be asked, as before ClickHouse 24.10."""
    try:
        return [right for right in rights if clickhouse.query(_question(right)) == [(0,)]]
    except StorageRejected as error:
        if error.code != SYNTAX_ERROR:
            raise
        return None


def _question(right: Right) -> str:
    of = quoted_identifier(right.of) if right.of else "*"
    return f"CHECK GRANT {right.name} ON {quoted_identifier(right.database)}.{of}"
