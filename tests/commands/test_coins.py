"""``coins``: which coin a symbol means, and how to change it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from adapters.files.locks import ProcessLock
from sandbox.market import ANOTHER_BTC_ID, Market
from tests.support.faulty_source import FaultySource
from tests.support.installation import JOB, Installation
from tests.support.price_table import Sql

HOUR = timedelta(hours=1)
OTHER = f"BTC:{ANOTHER_BTC_ID},ETH,SOL"


def ids(sql: Sql) -> list[tuple[object, ...]]:
    return sql("SELECT datetime, cmc_id FROM crypto.crypto_prices WHERE symbol = 'BTC' ORDER BY datetime")


def kept(program: Installation) -> object:
    return json.loads((program.data / "coin_choices.json").read_text())


def test_a_changed_id_is_refused_until_accepted(program: Installation, sql: Sql) -> None:
    """The other symbols are stored; the command in the message works; ``verify`` accepts a confirmed change."""
    assert program.run_job().code == 0
    program.clock.advance(HOUR)
    refused = program.run_job(SYMBOLS=OTHER)
    assert refused.code == 1
    assert "BTC is stored under id 1, and SYMBOLS names id" in refused.errors[-1]
    assert f"./run.sh coins --accept BTC:{ANOTHER_BTC_ID}" in refused.errors[-1]
    assert "inserted=2" in refused.log
    assert len(ids(sql)) == 1

    accepted = program.command("coins", "--accept", f"BTC:{ANOTHER_BTC_ID}")
    assert accepted.code == 0
    assert f"BTC means id {ANOTHER_BTC_ID}, before id 1" in accepted.out
    assert program.run_job(SYMBOLS=OTHER).code == 0
    assert [cmc_id for _, cmc_id in ids(sql)] == [1, ANOTHER_BTC_ID]
    looked = program.command("verify")
    assert "changed for good" in looked.out
    assert "with prices of two coins" not in looked.out


def test_a_renamed_coin_has_one_series(program: Installation, source: FaultySource, sql: Sql) -> None:
    """Under its new ticker, past hours and holes too; the old rows stay, and another coin may take the old ticker."""
    assert program.run_job("backfill", "5").code == 0
    gone = "symbol = 'SOL' AND datetime LIKE '% 12:00:00'"
    sql(f"ALTER TABLE crypto.crypto_prices DELETE WHERE {gone} SETTINGS mutations_sync = 2")
    noted = "('SOL', '2026-11-23 12:00:00', 5426, '2026-11-23 13:00:00 and 2026-11-24 13:00:00', '')"
    sql(f"INSERT INTO crypto.crypto_price_holes VALUES {noted}")
    coins = [coin._replace(symbol="SOLX") if coin.id == 5426 else coin for coin in source.market.coins]
    source.market = Market(coins)
    refused = program.run_job()
    assert refused.code == 1
    assert "./run.sh coins --rename SOL:SOLX" in refused.errors[-1]
    assert "SYMBOLS=BTC,ETH,SOLX:5426" in refused.errors[-1]
    assert "inserted=2" in refused.log

    done = program.command("coins", "--rename", "SOL:SOLX")
    assert (done.code, "SYMBOLS=BTC,ETH,SOLX:5426\n" in done.out) == (0, True), done.log
    program.settings["SYMBOLS"] = "BTC,ETH,SOLX:5426"
    assert program.run_job().code == 0
    program.settings["SYMBOLS"] += ",SOL:990144"
    for _ in range(2):
        program.clock.advance(HOUR)
        assert program.run_job().code == 0
    healed = program.run_job("heal", "4", SYMBOLS="SOLX:5426")
    assert (healed.code, "hours_asked=0" in healed.log) == (0, True)

    def hours(source: str) -> list[tuple[object, ...]]:
        return sql(f"SELECT symbol, cmc_id, count() FROM crypto.{source} GROUP BY ALL ORDER BY ALL")

    assert hours("crypto_prices_hourly") == [("BTC", 1, 8), ("ETH", 1027, 8), ("SOL", 990144, 2), ("SOLX", 5426, 7)]
    assert ("SOL", 5426, 4) in hours("crypto_prices")
    until = "symbol LIKE 'SOL%' AND datetime <= '2026-11-23 17:00:00'"
    states = sql(f"SELECT DISTINCT state FROM crypto.crypto_prices_hours WHERE {until}")
    assert {state for (state,) in states} == {"stored", "source has none"}
    assert "no errors" in program.at_clock("verify").out
    for entry in ("SOL:BTC", "NONE:NEW", "SOL"):
        assert program.command("coins", "--rename", entry).code == 2


def test_a_wrong_id_can_be_reset(program: Installation, sql: Sql) -> None:
    assert program.run_job(SYMBOLS=OTHER).code == 0
    program.clock.advance(HOUR)
    assert program.command("coins", "--reset", "btc").code == 0
    assert "BTC" not in kept(program)  # type: ignore[operator]  # an object of JSON
    assert program.run_job().code == 0
    assert [cmc_id for _, cmc_id in ids(sql)] == [ANOTHER_BTC_ID, 1]
    assert program.run_job("backfill", "1").code == 0
    assert {cmc_id for _, cmc_id in ids(sql)} == {1}
    assert program.command("verify").code == 0


@pytest.mark.parametrize("database_there", [True, False])
def test_the_table_of_coins(program: Installation, *, database_there: bool) -> None:
    assert program.run_job().code == 0
    port = {} if database_there else {"CLICKHOUSE_PORT": "1"}
    done = program.command("coins", SYMBOLS="BTC,ETH,DOGE", **port)
    assert done.code == 0
    rows = {line.split()[0]: line for line in done.out.splitlines()}
    assert "1027" in rows["ETH"]
    assert "in use" in rows["BTC"]
    assert "kept" in rows["SOL"]
    assert "at the next run" in rows["DOGE"]
    assert ("2026-11-23 15:00:00" in rows["BTC"] and "Bitcoin" in rows["BTC"]) == database_there
    assert ("cannot read" in done.log) != database_there


@pytest.mark.parametrize("entry", ["BTC", "BTC:0", "BTC:one", ":1", "B TC:1"])
def test_an_invalid_choice_is_refused(program: Installation, entry: str) -> None:
    done = program.command("coins", "--accept", entry)
    assert done.code == 2
    assert "--accept BTC:1" in done.log
    assert not (program.data / "coin_choices.json").exists()


def test_choices_cannot_change_while_a_job_runs(program: Installation) -> None:
    with ProcessLock(program.data / "locks" / f"{JOB}.lock", task=JOB, clock=program.clock):
        assert program.command("coins", "--reset", "BTC").code == 75
        assert program.command("coins").code == 0
