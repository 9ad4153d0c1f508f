"""``verify``: the stored prices, looked through for what may never stand there."""

from __future__ import annotations

from adapters._bases.errors import StorageRejected
from commands.compare import compared_sources
from commands.screen import SHORT_WAIT_SECONDS, mention, say, settings_with_log, show_findings
from commands.tables import is_used
from crons import MAIN_JOB
from crons.exits import DONE, FAILED
from crons.inspection import verify_table
from crons.job import Finding, Job
from crons.registry import JOBS
from crons.resources import PATIENCE, Resources, require_database, system_clock


def verify(*, quiet: bool) -> int:
    """Look, show, and give the exit code: 1 if anything is wrong.

    Args:
        quiet: show nothing but what is wrong.

    Raises:
        LockHeldError: a running job has the embedded engine open.
        EtlError: there is no database yet, it does not answer, or it refuses.
    """
    settings = settings_with_log(quiet=quiet)
    require_database(settings)
    findings: list[Finding] = []
    with Resources(
        settings, task="verify", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS, retry=PATIENCE
    ) as parts:
        looked_into = _with_tables(parts)
        for name, job in looked_into.items():
            mention(f"looking through all that {name} stored")
            found = verify_table(name, job, parts, system_clock())
            prefix = "" if name == MAIN_JOB else f"{job.table.name}: "
            findings.extend(one._replace(subject=f"{prefix}{one.subject}") for one in found)
        findings.extend(compared_sources(parts, system_clock()))
    wrong = [finding for finding in findings if finding.state == "fail"]
    if not quiet or wrong:
        show_findings(wrong if quiet else findings, no_color=bool(settings.no_color), steps_below=True)
    if not quiet:
        say(f"{len(wrong)} of {len(findings)} checks found something" if wrong else "nothing is wrong")
    return FAILED if wrong else DONE


def _with_tables(parts: Resources) -> dict[str, Job]:
    """The jobs whose tables are in use.

    Raises:
        StorageRejected: there is no table at all.
    """
    tables = {name: job.repository_in(parts) for name, job in JOBS.items()}
    if not (there := [name for name, table in tables.items() if is_used(name, table)]):
        raise StorageRejected("there are no prices yet", next_step="run `./run.sh setup_db`, then cron_run")
    return {name: JOBS[name] for name in there}
