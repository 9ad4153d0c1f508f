"""No redirect of a ClickHouse server is followed: statements, and the rows in them, go to no other host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapters._bases.errors import StorageRejected

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager


def refuse_redirects(pool: PoolManager, where: str) -> PoolManager:
    """The same pool, from now on with `StorageRejected` in place of a redirect.

    Args:
        pool: the driver follows one redirect with it when it connects, whatever it is told later.
        where: which ClickHouse, for the message.
    """
    ask = pool.urlopen

    def ask_here(method: str, url: str, **options: Any) -> BaseHTTPResponse:
        response = ask(method, url, **{**options, "redirect": False})
        if response.get_redirect_location():
            response.close()
            raise StorageRejected(
                f"ClickHouse ({where}) answered with a redirect, which is not followed so that nothing goes elsewhere",
                next_step="Correct CLICKHOUSE_HOST, CLICKHOUSE_PORT and CLICKHOUSE_SECURE.",
            )
        return response

    pool.urlopen = ask_here  # type: ignore[assignment, method-assign]  # the driver takes a pool, and no option for this
    return pool
