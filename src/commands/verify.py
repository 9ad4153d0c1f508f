"""``verify``: the stored prices, looked through for what may never stand there."""

from __future__ import annotations

from commands.screen import SHORT_WAIT_SECONDS, mention, say, settings_with_log, show_findings
from crons.exits import DONE, FAILED
from crons.job import Finding
from crons.parts import PATIENCE, Parts, require_database, system_clock
from crons.registry import JOBS


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
    left_out: list[str] = []
    with Parts(settings, task="verify", clock=system_clock, wait_seconds=SHORT_WAIT_SECONDS, retry=PATIENCE) as parts:
        for name, job in JOBS.items():
            if job.verify is None:
                left_out.append(f"{name} is not looked through: it has no checks of its own")
            else:
                mention(f"looking through all that {name} stored")
                findings.extend(job.verify(parts, system_clock()))
    wrong = [finding for finding in findings if finding.state == "fail"]
    if not quiet or wrong:
        show_findings(wrong if quiet else findings, no_color=bool(settings.no_color), steps_below=True)
    if not quiet:
        for line in left_out:
            say(line)
        say(f"{len(wrong)} of {len(findings)} checks found something" if wrong else "nothing is wrong")
    return FAILED if wrong else DONE
