"""``status``: the last runs, the missing hours and the prices."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby, takewhile
from typing import Any

from adapters._bases.errors import EtlError, LockHeldError, StateError
from adapters._bases.hourly_repository import HourlyRepository
from adapters._bases.hourly_table import StoredHours
from adapters._bases.tehran_time import describe_hours, from_text, hour_key, hour_ranges, hours_before, tehran_text
from adapters._bases.wording import counted, duration, listed
from adapters.clickhouse.etl_runs_clickhouse_adapter import BUSY, RunRecord
from adapters.files.locks import held_locks
from adapters.files.spool import Spool
from commands.screen import (
    after_needs,
    say,
    say_json,
    settings_with_log,
    show_table,
    stale_groups,
    terminal_size,
)
from commands.status_facts import (
    DatabaseFacts,
    JobFacts,
    Series,
    SpoolFacts,
    Turn,
    latest_first,
    needs,
    stale_symbols,
)
from commands.tables import backups_of
from configurations.config import PROJECT_ROOT, usable_settings
from crons import install
from crons.alarms import alert, inform
from crons.exits import DONE, FAILED
from crons.history import kept_runs
from crons.inspection import CORRECTIONS_SINCE, STALE_AFTER
from crons.registry import JOBS, find_job
from crons.resources import Resources, has_no_database, interactive_timeouts, job_lock, system_clock
from transformers.coverage import SPANS, cover, hours_by_key, sparkline

_RECENT_RUNS = 100
_OTHER_LINES = 16  # of a screenful
_LEAST_SYMBOLS = 5
_LARGEST = 10  # of the list of the largest coins
_SHOWN_OUTAGES = 10
_TREND_HOURS = 24
_LONGEST = timedelta(hours=max(SPANS.values()))
_NOTHING = StoredHours(frozenset(), "", None, {})
_NOT_KNOWN = {"in use": "the database is in use", "unreachable": "the database cannot be read"}


def status(name: str | None, *, as_json: bool, everything: bool, quiet: bool) -> int:
    if quiet:
        return _watch(name)
    now = system_clock()
    found = _read_all(name, now)
    wanting = _wanting(found)
    if as_json:
        say_json(now, needs_person=bool(wanting), jobs=[_document(job, lines, now) for job, lines in found])
    else:
        for job, _ in found:
            say(job.name)
            _show(job, now, everything=everything)
            say("")
        say("needs attention:" if wanting else "nothing needs attention")
        for line in wanting:
            say(f"  - {line}")
    return FAILED if wanting else DONE


def _watch(name: str | None) -> int:
    error, lines = None, []
    try:
        lines = _wanting(_read_all(name, system_clock()))
    except EtlError as caught:
        error = caught
    for line in lines:
        say(line)
    if not sys.stdout.isatty():
        settings, text = usable_settings(), "\n".join([*lines, *([error.message] if error else [])])
        inform(settings.healthcheck_url_status.value, "fail" if text else "success", text)
        if text:
            alert(settings.alert_command, "needs attention", text)
    if error:
        raise error
    return FAILED if lines else DONE


def _read_all(name: str | None, now: datetime) -> list[tuple[JobFacts, list[str]]]:
    """The jobs to show, each with what needs attention."""
    settings = interactive_timeouts(settings_with_log())
    if name is not None:
        find_job(name)
    schedules, database, jobs = install.read_schedules(PROJECT_ROOT), DatabaseFacts(), []
    with Resources(settings, task="status", briefly=True) as resources:
        for one in [name] if name else JOBS:
            # The disk first: a record that a run moves to the table meanwhile is then seen twice, not missed.
            spool = resources.history_spool(one)
            history = _read_spool(spool)
            kept = kept_runs(map(spool.read, history.waiting))
            if database.state == "ok":  # else it is not asked again
                database = _read_database(one, resources, now)
            facts = _facts(one, resources, latest_first([*kept, *database.runs]), schedules, now)
            jobs.append(replace(facts, history=history, database=database))
    # The main job is shown as long as no other one is used.
    if name or not any(job.in_use for job in jobs[1:]):
        jobs[0] = replace(jobs[0], expected=True)
    return [(job, needs(job, now)) for job in jobs if job.is_known]


def _wanting(found: Sequence[tuple[JobFacts, Sequence[str]]]) -> list[str]:
    """What needs attention, each once, with the names of the jobs if several are shown."""
    jobs: dict[str, list[str]] = {}
    for job, lines in found:
        for line in lines:
            jobs.setdefault(line, []).append(job.name)
    return [line if len(names) == len(found) else f"{', '.join(names)}: {line}" for line, names in jobs.items()]


def _read_spool(spool: Spool) -> SpoolFacts:
    try:
        return SpoolFacts(spool.waiting(), spool.oldest(), spool.rejected.waiting())
    except StateError as error:
        return SpoolFacts(unknown=f"{error.message}: {error.next_step}")


def _read_database(name: str, resources: Resources, now: datetime) -> DatabaseFacts:
    job, settings = JOBS[name], resources.settings
    if has_no_database(settings):
        return DatabaseFacts("empty", "there is no database yet: ./run.sh setup_db")
    try:
        table = resources.repository(job.repository)
        symbols = list(job.expected(settings, table, since=hour_key(now - _LONGEST)))
        return DatabaseFacts(
            series=_series_of(table, symbols, now),
            corrections_7d=table.corrections(since=tehran_text(now - CORRECTIONS_SINCE)).total,
            runs=resources.runs.recent(name, _RECENT_RUNS),
        )
    except LockHeldError as error:
        return DatabaseFacts("in use", error.message, from_text(error.since) if error.since else None)
    except EtlError as error:
        return DatabaseFacts("unreachable", " ".join(error.message.split()))


def _series_of(table: HourlyRepository, symbols: Sequence[str], now: datetime) -> list[Series]:
    """What is stored of each symbol, in their order, in the last 30 days."""
    hours = hours_by_key(hours_before(now, max(SPANS.values())))
    keys, present = list(hours), hour_key(now)
    # Not beyond the present hour: a future row, which `verify` reports, does not make a symbol up to date.
    # The last hour may be a day old, and its counterpart of a day before is needed too.
    stored = table.stored(symbols, first=keys[0], last=present, valued_from=keys[-2 * _TREND_HOURS])
    whole = [symbol for symbol, there in stored.items() if keys[0] in there.hours]
    first_hours = dict.fromkeys(whole, keys[0]) | table.first_hours(sorted(set(symbols).difference(whole)))
    holes = table.holes_by_symbol(symbols, first=keys[0], last=keys[-1])
    absurd = {one.symbol for one in table.absurd_values(first=keys[0]) if one.hour <= present} if stored else set()
    idle, absent = table.idle(symbols, since=hour_key(now - STALE_AFTER)), table.absences(symbols)
    series = []
    for symbol in symbols:
        there, spans = stored.get(symbol, _NOTHING), absent.get(symbol, ())
        last, before = there.last_value, None
        if there.last_hour:
            before = there.values.get(hour_key(from_text(there.last_hour) - timedelta(hours=_TREND_HOURS)))
        series.append(
            Series(
                symbol,
                there.last_hour or None,
                last,
                cover(hours, there.hours, holes.get(symbol, ()), first=first_hours.get(symbol), absent=spans),
                [there.values.get(key) for key in (*keys[-_TREND_HOURS:], present)],
                change_24h=(last / before - 1) * 100 if last is not None and before else None,
                is_absurd=symbol in absurd,
                is_idle=symbol in idle,
                has_left=any(since <= keys[-1] and until > present for since, until in spans),
            )
        )
    return series


def _facts(
    name: str, resources: Resources, records: Sequence[RunRecord], schedules: install.Schedules, now: datetime
) -> JobFacts:
    job, settings, beginnings = JOBS[name], resources.settings, list[str]()
    table, backups, lock = job.repository.table.name, backups_of(settings), job_lock(settings, name)
    held = held_locks(lock.parent)
    ended = [run for run in records if run.status != BUSY]
    runs, heals = ([run for run in ended if run.kind == kind] for kind in ("run", "heal"))
    turns = {
        task: Turn(line, install.next_run(line, now), install.longest_interval(line, now))
        for task, line in schedules.installed.items()
    }
    schedule = schedules.installed.get(name) or install.hourly_schedule(now)
    backup, since = turns.get(install.BACKUP), install.installed_since(install.BACKUP, PROJECT_ROOT)
    with suppress(StateError):  # which `check` reports
        beginnings = job.beginnings(settings)
    return JobFacts(
        name=name,
        beginnings=beginnings,
        follows_list=bool(settings.top) and not job.optional,
        every=install.longest_interval(schedule, now),
        run=turns.get(name),
        heal=turns.get(install.heal_of(name)),
        backup=backup,
        crontab=schedules,
        running=str(held[lock] or "a process without a note") if lock in held else None,
        last_success=next((run for run in runs if not run.failed), None),
        last_failure=next((run for run in ended if run.failed), None),
        last_heal=next(iter(heals), None),
        busy_runs=[run for run in records if run.status == BUSY and run.kind == "run"],
        failed_runs=list(takewhile(lambda run: run.failed, runs)),
        failed_heals=list(takewhile(lambda run: run.failed, heals)),
        spool=_read_spool(resources.spool(name)),
        fill=after_needs(job, settings, f"./run.sh cron_heal {name}") if job.backfill else None,
        stale_set_up=stale_groups(),
        last_backup=next((one.made for one in reversed(backups.found()) if table in one.manifest.rows), None),
        shrunk_backup="".join(backups.shrunk([table])),
        backup_due=install.next_run(backup.schedule, since) if backup and since else None,
        see_log="see logs/cron.log, then " if (PROJECT_ROOT / "logs" / "cron.log").exists() else "",
    )


def _document(job: JobFacts, lines: Sequence[str], now: datetime) -> dict[str, Any]:
    """A job's part of the JSON; times are Tehran wall time unless their name says otherwise."""
    return {
        "name": job.name,
        "needs": lines,
        "last_success": _run_document(job.last_success, now),
        "last_failure": _run_document(job.last_failure, now),
        "last_heal": _run_document(job.last_heal, now),
        "not_known": _NOT_KNOWN.get(job.database.state),
        "failures_in_a_row": len(job.failed_runs),
        "failed_heals_in_a_row": len(job.failed_heals),
        "schedule": job.run and job.run.schedule,
        "next_run": job.run and tehran_text(job.run.at),
        "next_run_host": job.run and job.run.at.isoformat(),
        "crontab_not_known": job.crontab.unknown and job.crontab.unknown.message,
        "next_heal": job.heal and tehran_text(job.heal.at),
        "running": job.running,
        "database": {"state": job.database.state, "detail": job.database.detail},
        "spool": _spool_document(job.spool, now),
        "history": _spool_document(job.history, now),
        "beginnings": job.beginnings,
        "corrections_7d": job.database.corrections_7d,
        "symbols": [_symbol_document(one) for one in job.database.series] if job.database.state == "ok" else None,
    }


def _run_document(run: RunRecord | None, now: datetime) -> dict[str, Any] | None:
    if run is None:
        return None
    age = int((now - from_text(run.finished_at)).total_seconds())
    return {"run_id": run.run_id, "kind": run.kind, "at": run.finished_at, "age_seconds": age, "error": run.error}


def _spool_document(spool: SpoolFacts, now: datetime) -> dict[str, Any]:
    return {
        "waiting": None if spool.unknown else len(spool.waiting),
        "oldest_age_seconds": spool.oldest and int((now - spool.oldest).total_seconds()),
        "damaged": None if spool.unknown else [str(path) for path in spool.damaged],
    }


def _symbol_document(one: Series) -> dict[str, Any]:
    coverage = one.coverage
    return {
        "symbol": one.symbol,
        "last_hour": one.last_hour,
        "last_price": one.last_price,
        "change_24h": one.change_24h,
        "counted_from": coverage.counted_from and tehran_text(coverage.counted_from),
        "coverage": {
            name: {"stored": share.stored, "expected": share.expected, "percent": share.percent}
            for name, share in coverage.shares.items()
        },
        "missing": [[tehran_text(bound) for bound in span] for span in hour_ranges(coverage.missing)],
        "missing_hours": len(coverage.missing),
        "without_quote_hours": len(coverage.without_quote),
        "last_24_hours": one.trend,
    }


def _show(job: JobFacts, now: datetime, *, everything: bool) -> None:
    show_table((), list(_fields(job, now)))
    series, stale, size = job.database.series, set(stale_symbols(job, now)), terminal_size()
    if not series:
        return
    shown = series
    if job.follows_list and not everything:
        shown = [one for one in series if not one.has_left][:_LARGEST]
    elif size and not everything and (room := max(_LEAST_SYMBOLS, size.lines - _OTHER_LINES)) < len(series):
        shown = sorted(series, key=lambda one: (one.symbol not in stale, -len(one.coverage.missing)))[:room]
    say("")
    show_table(
        ("symbol", "price", "24 h", "hour (Tehran)", f"stored in\n{'/'.join(SPANS)}", "last 24 h"),
        [_row(one) for one in shown],
        styles=["red" if one.symbol in stale else "yellow" if one.coverage.missing else "" for one in shown],
    )
    say("stored: percent of the hours since the first stored one, without the present hour")
    if outages := _describe_outages(series):
        say("missing in 30 d:")
        show_table((), outages)
    if asked := [f"{one.symbol} {hours:,} h" for one in shown if (hours := len(one.coverage.without_quote))]:
        say(f"no quote at the source: {', '.join(asked)}")
    hidden = len(series) - len(shown)
    if hidden and job.follows_list:
        gaps, left = sum(bool(one.coverage.missing) for one in series), sum(one.has_left for one in series)
        say(f"{hidden} of {len(series)} coins are hidden, the largest are shown; --all shows every one")
        say(f"of all, {gaps} have missing hours, {left} left the list in 30 d")
    elif hidden:
        say(f"{counted(hidden, 'symbol')} hidden; the worst are shown first; --all shows every one")


def _fields(job: JobFacts, now: datetime) -> Iterator[tuple[str, str]]:
    database = job.database
    yield "last success", _describe_run(job.last_success, job, now)
    yield "last failure", _describe_run(job.last_failure, job, now)
    if job.run:
        yield "next run", _describe_turn(job.run)
    elif job.crontab.unknown:
        yield "next run", f"unknown: {job.crontab.unknown.message}"
    else:
        yield "next run", f"not in the crontab: ./run.sh setup_cron {job.name}"
    if job.last_heal and job.last_heal is job.last_failure:
        yield "last heal", "the last failure"
    elif job.last_heal or job.heal:
        yield "last heal", _describe_run(job.last_heal, job, now)
    if job.heal:
        yield "next heal", _describe_turn(job.heal)
    yield "running", job.running or "no"
    yield "spool", _describe_spool(job.spool, now)
    if job.beginnings:
        yield "beginnings", listed(job.beginnings)
    if job.history.waiting or job.history.unknown:
        yield "history", _describe_spool(job.history, now)
    if database.corrections_7d:
        yield "corrections", f"{counted(database.corrections_7d, 'price')} in 7 days; verify lists the largest"
    if database.state in {"in use", "empty"}:  # an unreachable one needs attention, with its reason
        yield "database", f"{database.state}: {database.detail}"


def _describe_run(run: RunRecord | None, job: JobFacts, now: datetime) -> str:
    if run is None:
        reason = _NOT_KNOWN.get(job.database.state)
        return f"unknown: {reason}" if reason else "none known"
    failed, reason = (", failed", f": {run.error}") if run.failed else ("", "")
    age = duration(now - from_text(run.finished_at))
    return f"{run.finished_at} in Tehran, {age} ago{failed} ({run.kind}){reason}"


def _describe_turn(turn: Turn) -> str:
    in_tehran = tehran_text(turn.at)[:16]
    return f"{turn.at:%Y-%m-%d %H:%M} on this host ({turn.at:%Z}), {in_tehran} in Tehran ({turn.schedule})"


def _describe_spool(spool: SpoolFacts, now: datetime) -> str:
    if spool.unknown:
        return f"unknown: {spool.unknown}"
    if not spool.waiting and not spool.damaged:
        return "empty"
    oldest = f", the oldest for {duration(now - spool.oldest)}" if spool.oldest else ""
    damaged = f", {len(spool.damaged)} damaged" if spool.damaged else ""
    return f"{counted(len(spool.waiting), 'pending file')}{oldest}{damaged}"


def _row(one: Series) -> list[str]:
    percents = [share.percent for share in one.coverage.shares.values()]
    price = "none" if one.last_hour is None else "invalid" if one.last_price is None else f"{one.last_price:.8g}"
    return [
        one.symbol,
        price,
        "-" if one.change_24h is None else f"{one.change_24h:+.2f} %",
        "none in 30 days" if one.last_hour is None else one.last_hour[:16],
        "/".join("-" if percent is None else f"{percent:.3g}" for percent in percents),
        sparkline(one.trend[::2]),
    ]


def _describe_outages(series: Sequence[Series]) -> list[tuple[str, str]]:
    """Rows of missing hours and the symbols that lack them, each hour once; the latest last."""
    lacking: dict[datetime, list[str]] = {}
    for one in series:
        for hour in one.coverage.missing:
            lacking.setdefault(hour, []).append(one.symbol)
    outages = [
        (describe_hours(hours), ", ".join(symbols))
        for first, last in hour_ranges(lacking)
        for symbols, hours in groupby(sorted(one for one in lacking if first <= one <= last), lacking.__getitem__)
    ]
    if len(outages) <= _SHOWN_OUTAGES:
        return outages
    earlier, total = counted(len(outages) - _SHOWN_OUTAGES, "earlier gap"), counted(len(lacking), "hour")
    return [("…", f"{earlier}, {total} in total"), *outages[-_SHOWN_OUTAGES:]]
