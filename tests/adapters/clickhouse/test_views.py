"""The views: times, days, the latest hours, and how an existing database gets them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import date, datetime, timedelta, timezone

import jdatetime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from adapters._bases.clickhouse_adapter import ClickHouseAdapter
from adapters._bases.errors import StorageRejected
from adapters._bases.hourly_table import Hole
from adapters._bases.sql_files import SQL_FOLDER
from adapters._bases.tehran_time import hour_key
from adapters.clickhouse.binance_clickhouse_adapter import BinanceClickHouseAdapter
from adapters.clickhouse.coin_market_cap_clickhouse_adapter import CRYPTO_PRICES
from tests.support.binance import pair_row
from tests.support.clickhouse_front import ClickHouseFront, Fault
from tests.support.price_rows import price_row
from tests.support.price_table import MakeRepository, Repository, Sql, create_statement
from tests.support.scale import LARGE
from transformers.coverage import MISSING, STORED, WITHOUT_QUOTE, hour_states

OLD_VIEW = (
    "CREATE VIEW {database}.crypto_prices_hourly AS SELECT symbol, datetime, price FROM {database}.crypto_prices "
    "ORDER BY symbol, datetime, version DESC LIMIT 1 BY symbol, datetime"
)
HOUR = timedelta(hours=1)


@pytest.fixture
def plan(repository: Repository, sql: Sql) -> Callable[[str], str]:
    """How ClickHouse reads the hourly view on a condition."""
    repository.upsert_prices([price_row()])
    explained = "EXPLAIN indexes = 1, actions = 1 SELECT sum(price) FROM crypto.crypto_prices_hourly WHERE"
    return lambda condition: "\n".join(line for (line,) in sql(f"{explained} {condition}"))


# Until 2022: in spring 00:00 to 01:00 was skipped, in autumn 23:00 came twice.
@pytest.mark.parametrize(("year", "month"), [(2017, 3), (2020, 9), (2021, 3), (2022, 9)])
def test_time_is_the_start_of_the_hour(repository: Repository, sql: Sql, year: int, month: int) -> None:
    start = datetime(year, month, 19, 20, 30, tzinfo=timezone.utc)
    instants = [start + HOUR * hours for hours in range(84)]
    first: dict[str, datetime] = {}
    for instant in instants:
        first.setdefault(hour_key(instant), instant)
    repository.upsert_prices([price_row(fetched_at=key) for key in first])

    found = sql(
        "SELECT datetime, toUnixTimestamp(time), toUnixTimestamp(time_utc), toString(time), toString(time_utc) "
        "FROM crypto.crypto_prices_hourly ORDER BY datetime"
    )

    assert len(first) == len(instants) - (month == 9)
    assert found == [
        (key, stamp, stamp, key, instant.strftime("%Y-%m-%d %H:%M:%S"))
        for key, instant in first.items()
        for stamp in [int(instant.timestamp())]
    ]


def test_day_aggregates_its_stored_hours(repository: Repository, sql: Sql) -> None:
    prices = {"2026-11-01 00:00:00": 5.0, "2026-11-01 07:00:00": 9.0, "2026-11-01 23:59:59": 4.0}
    repository.upsert_prices([price_row(fetched_at=at, price=price) for at, price in prices.items()])
    repository.upsert_prices([price_row(fetched_at="2026-11-02 00:00:00", price=7.0), price_row(symbol="ETH")])

    found = sql(
        "SELECT toString(date), date_jalali, month_jalali, year_jalali, weekday, open, high, low, close, currency, "
        "hours FROM crypto.crypto_prices_daily WHERE symbol = 'BTC' ORDER BY date"
    )
    joined = sql(
        "SELECT count(), uniq(h.date_jalali = d.date_jalali) FROM crypto.crypto_prices_hourly AS h "
        "INNER JOIN crypto.crypto_prices_daily AS d USING (symbol, date)"
    )

    assert found == [
        ("2026-11-01", "1405-08-10", "1405-08", 1405, 2, 5.0, 9.0, 4.0, 4.0, "USD", 3),
        ("2026-11-02", "1405-08-11", "1405-08", 1405, 3, 7.0, 7.0, 7.0, 7.0, "USD", 1),
    ]
    assert joined == [(5, 1)]


def test_trading_of_periods_is_that_of_their_hours(pairs: BinanceClickHouseAdapter, sql: Sql) -> None:
    """High, low and close are those of trades, not of the hours' first prices; sums by hand of four hours.

    The hours: Friday 1405-08-29 and Saturday 1405-08-30 (2026-11-21), then Sunday 1405-09-01, whose second hour is
    not over.
    """
    hours = {
        "2026-11-20 23:00:00": (10.0, 14.0, 9.0, 13.0, 1.5, 20),
        "2026-11-21 00:00:00": (13.0, 13.5, 8.0, 12.0, 2.5, 30),
        "2026-11-22 00:00:00": (12.0, 19.0, 11.0, 18.0, 4.0, 40),
        "2026-11-22 01:00:00": (17.0, None, None, None, None, None),
    }
    names = ("price", "high", "low", "close", "volume_base", "trades")
    pairs.upsert_prices(
        [pair_row(fetched_at=at)._replace(**dict(zip(names, of, strict=True))) for at, of in hours.items()]  # type: ignore[arg-type]
    )
    columns = "open, high, low, close, volume_base, trades, currency, hours"

    def periods(view: str, period: str) -> list[tuple[object, ...]]:
        return sql(f"SELECT toString({period}), {columns} FROM crypto.binance_prices_{view} ORDER BY {period}")

    assert periods("daily", "date_jalali") == [
        ("1405-08-29", 10.0, 14.0, 9.0, 13.0, 1.5, 20, "USDT", 1),
        ("1405-08-30", 13.0, 13.5, 8.0, 12.0, 2.5, 30, "USDT", 1),
        ("1405-09-01", 12.0, 19.0, 11.0, 17.0, 4.0, 40, "USDT", 2),
    ]
    assert periods("weekly", "week") == [
        ("2026-11-14", 10.0, 14.0, 9.0, 13.0, 1.5, 20, "USDT", 1),
        ("2026-11-21", 13.0, 19.0, 8.0, 17.0, 6.5, 70, "USDT", 3),
    ]
    assert periods("monthly", "month_jalali") == [
        ("1405-08", 10.0, 14.0, 8.0, 12.0, 4.0, 50, "USDT", 2),
        ("1405-09", 12.0, 19.0, 11.0, 17.0, 4.0, 40, "USDT", 2),
    ]
    assert periods("monthly_gregorian", "month") == [("2026-11-01", 10.0, 19.0, 8.0, 17.0, 8.0, 90, "USDT", 4)]


@pytest.mark.usefixtures("repository", "pairs")
def test_columns_have_types_that_tools_understand(sql: Sql) -> None:
    """Days are Dates and numbers are signed or small, under the same name in every view of both sources."""
    found = sql(
        "SELECT DISTINCT name, type FROM system.columns "
        "WHERE database = 'crypto' AND match(table, '_(hourly|daily|weekly|monthly|gregorian|latest|hours)$')"
    )
    kinds: dict[object, set[object]] = {}
    for name, kind in found:
        kinds.setdefault(name, set()).add(kind)

    assert not {name for name, of in kinds.items() if any("UInt64" in str(kind) for kind in of)}
    days = [kinds[name] for name in ("date", "week", "month")]
    assert days == [{"Date"}] * 3
    assert kinds["hours"] == {"UInt8", "UInt16"}
    assert (kinds["trades"], kinds["hours_expected"]) == ({"Nullable(Int64)"}, {"UInt16"})


def test_jalali_dates_are_exact_from_2009_to_2078(sql: Sql) -> None:
    rule = (SQL_FOLDER / "parts" / "jalali.sql").read_text()
    days = (date(2079, 1, 1) - date(2009, 1, 1)).days
    found = sql(
        f"WITH {rule} SELECT date_jalali, month_jalali, year_jalali, weekday "
        f"FROM (SELECT toDate('2009-01-01') + number AS date FROM numbers({days})) ORDER BY date"
    )

    wanted = [jdatetime.date.fromgregorian(date=date(2009, 1, 1) + timedelta(days=number)) for number in range(days)]
    assert found == [(f"{day:%Y-%m-%d}", f"{day:%Y-%m}", day.year, day.weekday() + 1) for day in wanted]


@settings(max_examples=20 if LARGE else 5)
@given(
    stored=st.sets(st.integers(1, 60), min_size=1),
    holes=st.sets(st.integers(1, 60)),
    of_another_coin=st.sets(st.integers(1, 60)),
    uncertain=st.sets(st.integers(1, 60)),
    in_progress=st.booleans(),
)
def test_hours_have_the_states_of_coverage(
    repository: Repository,
    sql: Sql,
    *,
    stored: set[int],
    holes: set[int],
    of_another_coin: set[int],
    uncertain: set[int],
    in_progress: bool,
) -> None:
    """One rule: each expected hour as `hour_states` has it, of which periods count the rows, the present one apart."""
    for table in ("crypto_prices", "crypto_price_holes"):
        sql(f"TRUNCATE TABLE {repository.database}.{table}")
    now = datetime.now(timezone.utc)
    past = {back: hour_key(now - HOUR * back) for back in range(60, -1, -1)}
    repository.upsert_prices([price_row(fetched_at=past[back]) for back in (*stored, *[0][:in_progress])])
    certain = "2026-01-01 00:00:00 and 2026-01-02 00:00:00"
    repository.note_holes([Hole("BTC", past[back], 1, certain, "run") for back in holes])
    repository.note_holes([Hole("BTC", past[back], 2, certain, "run") for back in of_another_coin - holes])
    other = uncertain - holes - of_another_coin
    repository.note_holes([Hole("BTC", past[back], 1, past[0], "run") for back in other])

    present = past.pop(0)
    columns = "datetime, toString(time), price > 0, state"
    found = sql(f"SELECT {columns} FROM crypto.crypto_prices_hours WHERE datetime < '{present}' ORDER BY datetime")
    [(expected,)] = sql("SELECT count() FROM crypto.crypto_prices_hours")
    keys = {past[back] for back in stored}
    known = repository.holes_by_symbol(["BTC"], first="", last="9999").get("BTC", set())
    states = hour_states(past.values(), keys, known, first=min(keys))
    words = {STORED: "stored", MISSING: "missing", WITHOUT_QUOTE: "source has none"}
    wanted = [(key, words[state]) for key, state in zip(past.values(), states, strict=True) if state in words]

    assert known == {past[back] for back in holes}
    assert found == [(key, key, True if state == "stored" else None, state) for key, state in wanted]
    assert sql("SELECT sum(hours), sum(hours_expected) FROM crypto.crypto_prices_weekly") == [(len(keys), expected)]


@pytest.mark.parametrize(("days", "missing"), [(29, 29 * 24 - 1), (31, 0)])
def test_coin_that_is_no_longer_followed_misses_nothing_after_30_days(
    repository: Repository, sql: Sql, days: int, missing: int
) -> None:
    last = datetime.now(timezone.utc) - timedelta(days=days)
    repository.upsert_prices([price_row(fetched_at=hour_key(last))])
    assert sql("SELECT count(), countIf(state = 'missing') FROM crypto.crypto_prices_hours") == [(1 + missing, missing)]


def test_hour_that_came_twice_is_one_expected_hour(repository: Repository, sql: Sql) -> None:
    """Before 2022 Tehran's clocks moved: in spring an hour was skipped, in autumn one was repeated."""
    ends = ("2022-03-21 22:00:00", "2022-03-22 02:00:00", "2022-09-21 22:00:00", "2022-09-22 01:00:00")
    repository.upsert_prices([price_row(symbol=end[:7], fetched_at=end) for end in ends])
    found = sql("SELECT datetime FROM crypto.crypto_prices_hours ORDER BY datetime")
    assert [hour[5:13] for (hour,) in found] == [
        *("03-21 22", "03-21 23", "03-22 01", "03-22 02"),
        *("09-21 22", "09-21 23", "09-22 00", "09-22 01"),
    ]


def test_latest_has_changes_between_stored_hours(repository: Repository, sql: Sql) -> None:
    """And one hour's values together, missing ones too."""
    prices = {"2026-11-20 05:00:00": 110.0, "2026-11-20 04:00:00": 100.0, "2026-11-13 05:00:00": 55.0}
    repository.upsert_prices([price_row(fetched_at=at, price=price, volume_24h=2.0) for at, price in prices.items()])
    repository.upsert_prices([price_row(symbol="ETH", fetched_at="2020-01-01 00:30:00", price=2.0, market_cap=3.0)])
    repository.upsert_prices([price_row(symbol="ETH", fetched_at="2020-01-01 01:30:00", price=2.0, market_cap=None)])

    found = sql(
        "SELECT symbol, name, datetime, price, currency, round(change_1h_percent, 9), change_24h_percent, "
        "change_7d_percent, market_cap, volume_24h FROM crypto.crypto_prices_latest"
    )

    assert found == [
        ("BTC", "Bitcoin", "2026-11-20 05:00:00", 110.0, "USD", 10.0, None, 100.0, 1.7e12, 2.0),
        ("ETH", "Bitcoin", "2020-01-01 01:00:00", 2.0, "USD", 0.0, None, None, None, 1.5e10),
    ]


def test_view_with_another_select_is_replaced(
    make_repository: MakeRepository, make_table: MakeRepository, embedded: ClickHouseAdapter, sql: Sql, database: str
) -> None:
    """After a rename of the database each view reads the old one; its comment and columns are right."""
    old = f"{database}_old"
    make_table(embedded, database=old).upsert_prices([price_row()])
    sql(f"RENAME DATABASE {old} TO {database}")
    repository = make_repository(embedded)
    differences = repository.differences()
    assert [line.split(":")[0] for line in differences] == [f"{database}.{view}" for view in CRYPTO_PRICES.views]
    assert all(f"reads the database {old}" in line for line in differences)
    repository.ensure_ready()
    assert repository.differences() == []
    assert len(sql("SELECT symbol FROM crypto.crypto_prices_latest")) == 1


def test_outdated_view_is_replaced_by_one_statement(
    served: Repository, server: ClickHouseAdapter, front: ClickHouseFront, database: str
) -> None:
    """Without a moment in which it does not exist, and once only."""
    server.command(f"CREATE OR REPLACE VIEW {database}.crypto_prices_daily AS SELECT 1 AS one")
    front.statements.clear()

    served.ensure_ready()
    served.ensure_ready()

    [replaced] = [one for one in front.statements if not one.startswith("SELECT")]
    assert replaced.startswith(f"CREATE OR REPLACE VIEW `{database}`.crypto_prices_daily")


def test_older_view_with_the_same_columns_serves_a_user_who_cannot_replace_it(
    served: Repository, server: ClickHouseAdapter, front: ClickHouseFront, database: str
) -> None:
    older = create_statement(database, "crypto_prices_daily").replace("(definition ", "(definition 0")
    for statement in (older, OLD_VIEW.format(database=database)):
        server.command(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW"))
        front.faults.append(Fault("error", "CREATE OR REPLACE", code=497))
        with capture_logs() as logs, nullcontext() if "daily" in statement else pytest.raises(StorageRejected):
            served.ensure_ready()
        assert [line["log_level"] for line in logs] == (["warning"] if "daily" in statement else [])


@pytest.mark.present_engine
@pytest.mark.parametrize("condition", ["datetime >= '2026-11-20 00:00:00'", "symbol = 'BTC'"])
def test_filter_by_key_uses_the_primary_key(plan: Callable[[str], str], condition: str) -> None:
    by_key = " ".join(plan(condition).partition("PrimaryKey")[2].split())
    assert condition.split(maxsplit=1)[0] in by_key.partition(" Condition:")[0]


@pytest.mark.present_engine
@pytest.mark.parametrize(
    "condition", ["time >= '2026-11-20 00:00:00'", "time_utc >= '2026-11-20'", "date = '2026-11-20'"]
)
def test_filter_by_time_is_applied_before_sorting(plan: Callable[[str], str], condition: str) -> None:
    """ClickHouse cannot use the key for it, but filters as it reads the table."""
    reading = plan(condition).partition("ReadFromMergeTree")[2]
    assert "Prewhere filter column: " in reading
    assert "(datetime, " in reading.partition("Prewhere filter column: ")[2].splitlines()[0].replace("__table1.", "")
