"""``check`` tests the rights of the database's user, and the settings that a run asks for."""

from __future__ import annotations

import pytest

from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.installation import Installation


def lines(text: str, subject: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith((f"{subject} ", f"  {subject}: "))]


@pytest.mark.parametrize("role", ["writer", "maker", "its own database"])
def test_sufficient_rights_are_one_row(program: Installation, front: ClickHouseFront, role: str) -> None:
    assert program.command("setup_db").code == 0
    front.role = role
    [row] = lines(program.command("check").out, "rights")
    assert row.split()[1] == "ok"


def test_each_missing_right_is_a_row(program: Installation, front: ClickHouseFront, database: str) -> None:
    """With the GRANT to run, also for what is to be made: exit code 1."""
    owner, front.role = front.role, "writer"
    rows = lines(program.command("check").out, "rights")
    for right in (f"CREATE DATABASE ON {database}.*", f"CREATE TABLE ON {database}.crypto_prices"):
        assert [row for row in rows if f"GRANT {right} TO" in row], rows
    front.role = owner
    assert program.command("setup_db").code == 0
    front.role = "reader"
    found = program.command("check")
    rows = lines(found.out, "rights")
    assert found.code == 1
    assert all(" fail " in row for row in rows if not row.startswith("  "))
    for right in ("INSERT ON {}.crypto_prices", "INSERT ON {}.etl_runs", "ALTER UPDATE ON {}.crypto_prices"):
        assert [row for row in rows if f"GRANT {right.format(database)} TO writer" in row], found.out


def test_rights_are_not_checked_without_check_grant(program: Installation, front: ClickHouseFront) -> None:
    """Which ClickHouse has since 24.10; everything else is checked."""
    front.faults.append(Fault("error", "CHECK GRANT", times=99, code=62, text="Syntax error: failed at position 7."))

    found = program.command("check")

    assert "CHECK GRANT" in lines(found.out, "rights")[0]
    assert lines(found.out, "table")


def test_settings_that_the_profile_keeps_are_rows(program: Installation, front: ClickHouseFront) -> None:
    """A run works within them; one that would make rows wrong fails the check by its name."""
    front.profile = "small statements"
    assert "max_query_size = 262144" in lines(program.command("check").out, "settings")[0]

    front.profile = "apply_patch_parts locked"
    found = program.command("check")
    assert found.code == 1
    assert "apply_patch_parts = 0" in lines(found.out, "ClickHouse")[0]


def test_an_old_server_is_a_warning(program: Installation, front: ClickHouseFront) -> None:
    front.replacements["SELECT version()"] = "SELECT '24.3.1.1', 'UTC'"

    row, step = lines(program.command("check").out, "ClickHouse")

    assert " warn " in row
    assert "24.8" in step
