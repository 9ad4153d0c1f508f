"""``check`` tries what a run will do: the rights of the database's user, and the settings that a run asks for."""

from __future__ import annotations

import pytest

from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.installation import Installation


def lines(text: str, subject: str) -> list[str]:
    """The rows of the screen about a subject."""
    return [line for line in text.splitlines() if line.startswith(f"{subject} ")]


@pytest.mark.parametrize("role", ["writer", "maker", "its own database"])
def test_all_rights_of_a_run_are_one_row(program: Installation, front: ClickHouseFront, role: str) -> None:
    """Where the tables are there, who writes needs none to make them."""
    assert program.command("setup_db").code == 0
    front.role = role

    [row] = lines(program.command("check").out, "rights")

    assert "the user has all that a run needs" in row


def test_each_right_that_is_lacking_is_a_row(program: Installation, front: ClickHouseFront, database: str) -> None:
    """With the GRANT to run, of each table that the user lacks it for; the exit code is 1."""
    assert program.command("setup_db").code == 0
    front.role = "reader"

    found = program.command("check", COLUMNS="300")

    rows = lines(found.out, "rights")
    assert found.code == 1
    assert all(" fail " in row and " TO writer" in row for row in rows)
    wanted = ["INSERT ON {}.crypto_prices", "INSERT ON {}.etl_runs", "ALTER UPDATE ON {}.crypto_prices"]
    for right in wanted:
        assert [row for row in rows if f"GRANT {right.format(database)} TO" in row], found.out


def test_what_is_to_be_made_is_asked_for_too(program: Installation, front: ClickHouseFront, database: str) -> None:
    """Without a database the user needs the rights to make it, its tables and its views."""
    front.role = "writer"

    rows = lines(program.command("check", COLUMNS="300").out, "rights")

    for right in (f"CREATE DATABASE ON {database}.*", f"CREATE TABLE ON {database}.crypto_prices"):
        assert [row for row in rows if f"GRANT {right} TO" in row], rows


def test_a_server_that_cannot_be_asked_is_said(program: Installation, front: ClickHouseFront) -> None:
    """Before 24.10 there is no CHECK GRANT; everything else is looked at."""
    front.faults.append(Fault("error", "CHECK GRANT", times=99, code=62, text="Syntax error: failed at position 7."))

    found = program.command("check")

    assert "no CHECK GRANT" in lines(found.out, "rights")[0]
    assert lines(found.out, "table")


def test_a_setting_that_the_profile_keeps_is_a_row(program: Installation, front: ClickHouseFront) -> None:
    """A run works within it; one by which rows would be wrong fails the check by its name."""
    assert "allows all that a run asks for" in lines(program.command("check", COLUMNS="200").out, "settings")[0]

    front.profile = "small statements"
    assert "max_query_size = 262144" in lines(program.command("check", COLUMNS="200").out, "settings")[0]

    front.profile = "apply_patch_parts locked"
    found = program.command("check", COLUMNS="300")
    assert found.code == 1
    assert "apply_patch_parts = 0" in lines(found.out, "ClickHouse")[0]


def test_an_old_server_is_a_warning(program: Installation, front: ClickHouseFront) -> None:
    """Below the oldest version that the program was tried on."""
    front.replacements["SELECT version()"] = "SELECT '24.3.1.1', 'UTC'"

    [row] = lines(program.command("check", COLUMNS="200").out, "ClickHouse")

    assert " warn " in row
    assert "not tried below 24.8" in row
