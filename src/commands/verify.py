"""``verify``: check the stored prices."""

from __future__ import annotations

from adapters._bases.errors import StorageRejected
from commands.compare import compared_sources
from commands.screen import mention, resources_for_reading, say, settings_with_log, show_findings
from commands.tables import is_used
from crons import MAIN_JOB
from crons.exits import DONE, FAILED
from crons.inspection import verify_table
from crons.job import Finding
from crons.registry import JOBS
from crons.resources import require_database, system_clock


def verify(*, quiet: bool, as_json: bool = False) -> int:
    """Check the stored prices, print the findings, return the exit code: 1 if anything is wrong.

    Args:
        quiet: print only what is wrong.
        as_json: one JSON object instead of text.

    Raises:
        LockHeldError: a running job has the embedded engine open.
        StorageRejected: there is no database or no table yet.
    """
    settings = settings_with_log(quiet=quiet)
    require_database(settings)
    findings: list[Finding] = []
    with resources_for_reading(settings, "verify") as resources:
        jobs = {name: job for name, job in JOBS.items() if is_used(name, resources.repository(job.repository))}
        if not jobs:
            raise StorageRejected("there are no prices yet", next_step="run `./run.sh setup_db`, then cron_run")
        for name, job in jobs.items():
            mention(f"checking the stored prices of {name}")
            prefix = "" if name == MAIN_JOB else f"{job.repository.table.name}: "
            found = verify_table(name, job, resources, system_clock())
            findings += [one._replace(subject=f"{prefix}{one.subject}") for one in found]
        findings += compared_sources(resources, system_clock())
    wrong = [finding for finding in findings if finding.state == "fail"]
    if not quiet or wrong or as_json:
        shown = wrong if quiet and not as_json else findings
        show_findings(shown, no_color=bool(settings.no_color), as_json=as_json)
    if not quiet and not as_json:
        say(f"{len(wrong)} of {len(findings)} checks found errors" if wrong else "no errors")
    return FAILED if wrong else DONE
