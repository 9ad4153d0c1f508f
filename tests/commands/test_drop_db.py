"""``drop_db`` asks at the terminal, and only a yes changes anything."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.support import faults
from tests.support.clickhouse_front import ClickHouseFront
from tests.support.eventually import PATIENCE_SECONDS
from tests.support.faulty_source import FaultySource
from tests.support.installation import Installation

CTRL_C, CTRL_D = "\x03", "\x04"
SILENCE_SECONDS = 10  # far longer than the command takes to read a key on a busy machine
# A process that runs the tests in the background may ignore Ctrl-C, which the command would inherit. Opened by the
# leader of a new session the terminal becomes its own, so that Ctrl-C reaches it as a signal.
ON_TERMINAL = ("env", "--default-signal=INT", "sh", "-c", 'exec <"$0" >"$0" 2>&1; exec "$@"')


def dropped_after(answer: str, program: Installation, *name: str) -> tuple[int, str]:
    """The exit code and what the terminal shows, when the question gets this answer.

    A key that comes while the line editor takes over the terminal is lost, though it may be echoed; so it is sent again
    when nothing has come of it for a while.
    """
    ours, theirs = pty.openpty()
    command = [*ON_TERMINAL, os.ttyname(theirs), sys.executable, "-m", "main", "drop_db", *name]
    environment = {"PYTHONPATH": str(program.root / "src"), "TERM": "dumb", **program.settings}
    shown = b""
    with subprocess.Popen(command, cwd=program.root, env=environment, start_new_session=True) as process:
        try:
            while b"[y/N]: " not in shown:
                assert select.select([ours], [], [], PATIENCE_SECONDS)[0], shown
                shown += os.read(ours, 65536)
            os.close(theirs)
            with suppress(OSError):  # of a terminal whose other side is closed
                for _ in range(PATIENCE_SECONDS // SILENCE_SECONDS):
                    os.write(ours, answer.encode())
                    while select.select([ours], [], [], SILENCE_SECONDS)[0]:
                        shown += os.read(ours, 65536)
            process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()  # has no effect once it has ended
            os.close(ours)
    return process.returncode, shown.decode()


def test_yes_drops_the_tables_that_the_question_names(
    program: Installation, front: ClickHouseFront, database: str
) -> None:
    assert program.command("setup_db").code == 0
    assert program.run_job().code == 0
    code, shown = dropped_after("y\n", program, "cmc_hourly_prices")
    assert code == 0
    assert f"Drop crypto_prices (3 rows) of the database {database}, after a backup? [y/N]: " in shown
    [drop] = front.asked("DROP TABLE")
    assert "binance" not in drop
    [backup] = (program.root / "backups").iterdir()
    assert f"./run.sh restore {backup}" in shown
    assert {path.name for path in backup.iterdir()} == {"backup.json", "crypto_prices.jsonl.gz"}
    assert program.command("restore", str(backup)).code == 0
    code, shown = dropped_after("y\n", program)
    assert "Drop crypto_prices (3 rows), binance_prices (0 rows) of the database" in shown
    assert len(front.asked("DROP TABLE")) == 3


@pytest.mark.parametrize("answer", ["n\n", "\n", CTRL_C, CTRL_D], ids=["no", "enter", "ctrl-c", "ctrl-d"])
def test_other_answers_change_nothing(answer: str, program: Installation, front: ClickHouseFront) -> None:
    """Exit 1, which stops ``clean`` as well; it is said on a line of its own."""
    assert program.command("setup_db").code == 0
    front.statements.clear()
    code, shown = dropped_after(answer, program)
    assert code == 1
    assert shown.splitlines()[-1] == "nothing was changed"
    assert "Traceback" not in shown
    assert front.asked("DROP") == []
    assert not (program.root / "backups").exists()


@pytest.mark.parametrize("arguments", [("drop_db",), ("clean",), ("clean", "no_job", "--yes"), ("drop_db", "no_job")])
def test_without_a_terminal_it_takes_yes(
    arguments: tuple[str, ...], program: Installation, source: FaultySource, front: ClickHouseFront
) -> None:
    job, _ = faults.hung(program, source)
    refused = program.command(*arguments)
    assert refused.code == 2
    assert ("--yes" in refused.log) == ("no_job" not in arguments)
    assert job.process.poll() is None
    assert front.asked("DROP") == []
    assert not (program.root / "backups").exists()
