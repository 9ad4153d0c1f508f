"""run.sh: what it shows, what it hands to Python, and how it sets itself up. No test here reaches a network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from configurations.config import VERSION as VERSION_NUMBER
from tests.support.bare_checkout import COMMANDS, RUN_SH, BareCheckout
from tests.support.patience import PATIENCE_SECONDS

OPERATING = RUN_SH.with_name("docs") / "operating.md"
VERSION = f"data-processor {VERSION_NUMBER}\n"
HASHED = "--no-deps --require-hashes"
PLACE = "--target  --prefix .venv --root /"
PIP = f".venv/bin/python -m pip install {PLACE} --no-input --disable-pip-version-check {HASHED}"
MAIN, ENGINE, DEV, BENCH = (f"--requirement requirements{group}.txt" for group in ("", "-engine", "-dev", "-bench"))


@pytest.fixture
def checkout(tmp_path: Path) -> BareCheckout:
    """A checkout in which nothing is installed."""
    return BareCheckout.make(tmp_path)


@pytest.fixture
def ready(checkout: BareCheckout) -> BareCheckout:
    """A checkout with everything installed, and no call on record."""
    assert checkout.run("test").returncode == 0
    checkout.unsay("calls")
    return checkout


@pytest.mark.parametrize("arguments", [(), ("help",), ("--help",), ("-h",)])
def test_help_lists_every_command(checkout: BareCheckout, arguments: tuple[str, ...]) -> None:
    """Bare, `help` and `--help` list each command with its summary, and the exit codes; nothing is installed."""
    files = checkout.files()
    done = checkout.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"^  ([a-z_]+) +[A-Z].*\.$", done.stdout, re.MULTILINE) == COMMANDS
    assert re.findall(r"^([A-Z]\w+)$", done.stdout, re.MULTILINE) == ["Start", "Look", "Repair", "Remove", "Develop"]
    assert max(map(len, done.stdout.splitlines())) < 80
    assert re.findall(r"^  (\d+) ", done.stdout, re.MULTILINE) == ["0", "1", "2", "75", "130", "143"]
    assert (checkout.files(), checkout.calls) == (files, [])


def test_readme_has_the_exit_codes(checkout: BareCheckout) -> None:
    """The table of docs/operating.md has those that run.sh lists, in the same words."""
    codes = re.findall(r"^  (\d+) +(.+)$", checkout.run("help").stdout, re.MULTILINE)
    assert re.findall(r"^\| (\d+) \| (.+) \|$", OPERATING.read_text(), re.MULTILINE) == codes


def test_a_summary_is_the_docstring_of_the_function(checkout: BareCheckout) -> None:
    """What the list says of a command is what Python says: there is no second text of it."""
    main = checkout.root / "src/main.py"
    main.write_text(main.read_text().replace("List the jobs,", "Changed: the jobs,"))
    assert "\n  jobs           Changed: the jobs," in checkout.run("help").stdout


@pytest.mark.parametrize("arguments", ["--version", "--version x"])
def test_the_version_is_reported(checkout: BareCheckout, arguments: str) -> None:
    """Name and version, before anything is installed."""
    done = checkout.run(*arguments.split())
    assert (done.returncode, done.stdout, checkout.calls) == (0, VERSION, [])


def test_help_starts_next_to_nothing(checkout: BareCheckout) -> None:
    """It needs no Python and no set-up, only bash and two small tools: that is why it answers at once."""
    for tool in {path.name for path in checkout.bin.iterdir()} - {"bash", "env", "cat", "readlink"}:
        checkout.remove(tool)
    done = checkout.run("help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\nStart\n" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("form", ["{} --help", "{} -h", "help {}", "{} x --help"])
def test_help_of_a_command_is_that_of_python(ready: BareCheckout, command: str, form: str) -> None:
    """However help is asked for, the command's own program shows it, and does nothing else."""
    assert ready.run(*form.format(command).split()).returncode == 0
    programs = {
        "bench": "benchmarks",
        "cron_run": "crons.run cmc_hourly_prices",
        "cron_backfill": "crons.run cmc_hourly_prices backfill",
        "cron_heal": "crons.run cmc_hourly_prices heal",
    }
    if command == "export":
        program = f"{ready.root}/src/main.py export"
    else:
        program = f"-m {programs.get(command, f'main {command}')}"
    assert ready.calls == [f"run {program} --help"]


def test_help_needs_no_engine(checkout: BareCheckout) -> None:
    """In a fresh clone the help of a command waits for the small packages alone."""
    checkout.run("status", "--help")
    assert checkout.calls == ["venv .venv", f"{PIP} {MAIN}", "run -m main status --help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_that_cannot_be_written_does_nothing_else(checkout: BareCheckout, command: str) -> None:
    """On a full disk `clean --help` fails; it never turns into `clean`."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [checkout.root / "run.sh", command, "--help"],
            env=checkout.environment,
            stdout=full,
            stderr=subprocess.DEVNULL,
            check=False,
        )
    assert done.returncode == 0
    assert [call for call in checkout.calls if call.startswith("run ")][1:] == []
    assert checkout.calls[-1].endswith(" --help")


@pytest.mark.parametrize(
    "word", ["nope", "_install_groups", "./x", "cd", "printf", "*", "", "check() {\nx", "demo install"]
)
@pytest.mark.parametrize("form", ["command", "help"])
def test_unknown_command_is_a_usage_error(checkout: BareCheckout, word: str, form: str) -> None:
    """A word that is no command ends in exit code 2 with the help on stderr; helpers and builtins are no commands."""
    done = checkout.run(*(["help", word] if form == "help" else [word]))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"unknown command: {word}\n\nUsage: ")
    assert "\nStart\n" in done.stderr


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("statsu", "status"),
        ("Check", "check"),
        ("setup-cron", "setup_cron"),
        ("cron_backfil", "cron_backfill"),
        ("cronheal", "cron_heal"),
        ("jbos", "jobs"),
        ("rep", "report"),
        ("dropdb", "drop_db"),
    ],
)
@pytest.mark.parametrize("form", ["command", "help"])
def test_a_command_that_is_nearly_right(checkout: BareCheckout, word: str, meant: str, form: str) -> None:
    """What was probably meant is asked, and not done: exit code 2."""
    done = checkout.run(*(["help", word] if form == "help" else [word]))
    assert (done.returncode, done.stdout, checkout.calls) == (2, "", [])
    assert done.stderr.splitlines()[1].startswith(f"did you mean {meant}? ")


def test_function_from_the_environment_is_no_command(checkout: BareCheckout) -> None:
    """A function that bash takes over from the environment cannot be called through run.sh."""
    done = checkout.run("evil", environment={"BASH_FUNC_evil%%": "() { echo hello; }"})
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        ("check", "-m main check"),
        ("setup_db", "-m main setup_db"),
        ("drop_db --yes", "-m main drop_db --yes"),
        ("restore backups/x", "-m main restore backups/x"),
        ("kill", "-m main kill"),
        ("clean --yes", "-m main clean --yes"),
        ("restore", "-m main restore"),
        ("restore --job x backups/x", "-m main restore --job x backups/x"),
        ("install --embedded", "-m main install --embedded"),
        ("cron_run", "-m crons.run cmc_hourly_prices"),
        ("cron_run other", "-m crons.run other"),
        ("cron_run OTHER", "-m crons.run OTHER"),
        ("cron_run --quiet", "-m crons.run cmc_hourly_prices --quiet"),
        ("cron_heal", "-m crons.run cmc_hourly_prices heal"),
        ("cron_heal 24 --all", "-m crons.run cmc_hourly_prices heal 24 --all"),
        ("cron_heal x 24 --max-credits 5", "-m crons.run x heal 24 --max-credits 5"),
        ("cron_heal X", "-m crons.run X heal"),
        ("jobs", "-m main jobs"),
        ("status x --json", "-m main status x --json"),
        ("verify", "-m main verify"),
        ("compare 24 --json", "-m main compare 24 --json"),
        ("setup_cron", "-m main setup_cron"),
        ("setup_cron x --dry-run", "-m main setup_cron x --dry-run"),
        ("remove_cron x", "-m main remove_cron x"),
        ("cron_backfill x 168", "-m crons.run x backfill 168"),
        ("cron_backfill x 168 --dry-run", "-m crons.run x backfill 168 --dry-run"),
        ("cron_backfill", "-m crons.run cmc_hourly_prices backfill"),
        ("cron_backfill --dry-run", "-m crons.run cmc_hourly_prices backfill --dry-run"),
        ("demo", "-m main demo"),
        ("test tests/crons -q", "-m main test tests/crons -q"),
    ],
)
def test_commands_go_to_python(ready: BareCheckout, arguments: str, call: str) -> None:
    """Each command becomes the checkout's own Python, in the checkout, with its arguments as they are."""
    with ready.start(*arguments.split()) as process:
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert ready.calls == [f"run {call}"]
    pid, cwd, path = (ready.state / "process").read_text().splitlines()
    assert (int(pid), cwd, path) == (process.pid, str(ready.root), f"{ready.root}/src")


def test_arguments_keep_their_blanks(ready: BareCheckout) -> None:
    """A schedule is one argument with stars in it, and stays so."""
    ready.run("setup_cron", "--schedule", "0 * * * *")
    assert ready.calls == ["run -m main setup_cron --schedule 0 * * * *"]


@pytest.mark.parametrize("code", [1, 2, 75, 143])
def test_exit_codes_pass_through(ready: BareCheckout, code: int) -> None:
    """What Python ends with is what run.sh ends with."""
    ready.say("failing check", str(code))
    assert ready.run("check").returncode == code


def test_sigterm_reaches_the_job(ready: BareCheckout) -> None:
    """A signal to run.sh is one to the job, because run.sh has become it."""
    os.mkfifo(ready.state / "failing setup_db")
    with ready.start("setup_db") as process:
        writer = os.open(ready.state / "failing setup_db", os.O_WRONLY)
        process.send_signal(signal.SIGTERM)
        os.close(writer)
        assert process.wait(timeout=PATIENCE_SECONDS) == -signal.SIGTERM


def test_symlink_and_other_folders_work(ready: BareCheckout, tmp_path: Path) -> None:
    """Called from anywhere, through a chain of links too, it works in its own checkout."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.symlink_to(ready.root / "run.sh")
    second.symlink_to("first")
    assert ready.run("check", script=second, cwd=Path("/")).returncode == 0
    assert (ready.state / "process").read_text().splitlines()[1] == str(ready.root)


def test_backup_is_meant_from_where_the_caller_stands(ready: BareCheckout, tmp_path: Path) -> None:
    """A file named relative to the caller's folder is found, though the work is done in the checkout."""
    (tmp_path / "my backup").touch()
    ready.run("restore", "my backup", cwd=tmp_path)
    assert ready.calls == [f"run -m main restore {tmp_path}/my backup"]


def test_export_writes_where_the_caller_stands(ready: BareCheckout, tmp_path: Path) -> None:
    """It runs in the caller's folder, and takes no module from there."""
    ready.run("export", "prices.csv", "--view", "daily", cwd=tmp_path)
    assert ready.calls == [f"run {ready.root}/src/main.py export prices.csv --view daily"]
    assert (ready.state / "process").read_text().splitlines()[1] == str(tmp_path)


def test_a_checkout_without_run_bits_works(ready: BareCheckout) -> None:
    """Where the file may not be executed, `bash run.sh` does all that it does otherwise."""
    (ready.root / "run.sh").chmod(0o644)
    command = ["bash", "run.sh", "clean"]
    subprocess.run(command, cwd=ready.root, env=ready.environment, check=True, capture_output=True)
    assert ready.calls == ["run -m main clean"]


def test_first_command_installs(checkout: BareCheckout) -> None:
    """In a fresh clone a command says what it installs, takes the pinned set with its hashes, then does its work."""
    done = checkout.run("check")
    assert done.returncode == 0
    assert re.search(
        r"installing main engine into .*\nrun.sh: some \d+ MB to download, \d+ MB on the disk\n", done.stderr
    )
    assert re.search(r"run\.sh: installed in \d+ s\n", done.stderr)
    assert done.stdout == ""
    assert checkout.calls == ["venv .venv", f"{PIP} {MAIN} {ENGINE}", "run -m main check"]


def test_second_command_installs_nothing(ready: BareCheckout) -> None:
    """What is installed from these requirements is not installed again."""
    assert ready.run("install").returncode == 0
    assert ready.calls == ["run -m main install"]


def test_tests_need_the_development_set(checkout: BareCheckout) -> None:
    """The development set is installed by the first command that needs it, and only then; the rest is there already."""
    checkout.run("check")
    checkout.unsay("calls")
    checkout.run("test")
    assert checkout.calls == [f"{PIP} {DEV}", "run -m main test"]


def test_rivals_live_apart(checkout: BareCheckout) -> None:
    """What the program is measured against has an environment of its own: it brings what the program does without."""
    checkout.run("bench")
    bench = PIP.replace(".venv", ".venv/bench")
    assert checkout.calls[1:] == ["venv bench", f"{bench} {BENCH}", f"{PIP} {MAIN} {ENGINE}", "run -m benchmarks"]


@pytest.mark.parametrize(
    ("settings", "host", "wanted"),
    [
        ("", None, [MAIN, ENGINE]),
        ("CLICKHOUSE_HOST=embedded", None, [MAIN, ENGINE]),
        ('CLICKHOUSE_HOST="Embedded"', None, [MAIN, ENGINE]),
        ("CLICKHOUSE_HOST=", None, [MAIN, ENGINE]),
        ("# CLICKHOUSE_HOST=db", None, [MAIN, ENGINE]),
        ("SYMBOLS=BTC\nCLICKHOUSE_HOST=db.example", None, [MAIN]),
        ("export CLICKHOUSE_HOST = 'db.example' # ours", None, [MAIN]),
        ("clickhouse_host=db.example", None, [MAIN]),
        ("CLICKHOUSE_HOST=db.example\r", None, [MAIN]),
        ("CLICKHOUSE_HOST=db\nCLICKHOUSE_HOST=embedded", None, [MAIN, ENGINE]),
        ("CLICKHOUSE_HOST=db", "embedded", [MAIN, ENGINE]),
        ("", "db.example", [MAIN]),
        ("CLICKHOUSE_HOST=embedded", "::1", [MAIN]),
    ],
)
def test_who_has_a_server_installs_no_engine(
    checkout: BareCheckout, settings: str, host: str | None, wanted: list[str]
) -> None:
    """CLICKHOUSE_HOST of the environment, else of .env, decides whether the engine belongs to the set-up."""
    checkout.change_settings(settings)
    checkout.run("check", environment={"CLICKHOUSE_HOST": host} if host else {})
    assert checkout.calls[1] == " ".join([PIP, *wanted])


def test_the_engine_comes_when_it_is_needed(checkout: BareCheckout) -> None:
    """On a host with a server by `install --embedded`, and by any command once the server is no longer named."""
    checkout.change_settings("CLICKHOUSE_HOST=db.example")
    checkout.run("check")
    checkout.unsay("calls")
    checkout.run("install", "--embedded")
    assert checkout.calls == [f"{PIP} {ENGINE}", "run -m main install --embedded"]


def test_the_engine_comes_with_the_setting(checkout: BareCheckout) -> None:
    """When CLICKHOUSE_HOST goes back to embedded, the next command installs the engine before its work."""
    checkout.change_settings("CLICKHOUSE_HOST=db.example")
    checkout.run("check")
    checkout.unsay("calls")
    checkout.change_settings("CLICKHOUSE_HOST=embedded")
    checkout.run("check")
    assert checkout.calls == [f"{PIP} {ENGINE}", "run -m main check"]


def test_changed_requirements_install_again(ready: BareCheckout) -> None:
    """After an update the present set is installed over the old one, into the same environment."""
    ready.change_requirements("second")
    assert ready.run("check").returncode == 0
    assert ready.calls == [f"{PIP} {MAIN}", "run -m main check"]


def test_uv_installs_where_it_is(checkout: BareCheckout) -> None:
    """With uv on PATH the same pinned set is installed by it, into the same environment."""
    checkout.add_uv()
    checkout.run("check")
    uv = f"uv pip install --python .venv/bin/python --compile-bytecode {HASHED}"
    assert checkout.calls == ["venv .venv", f"{uv} {MAIN} {ENGINE}", "run -m main check"]


def test_pip_takes_over_where_uv_cannot(checkout: BareCheckout) -> None:
    """An index that only pip is configured for, in a way that uv does not know, costs a line and no more."""
    checkout.add_uv()
    checkout.say("no_uv")
    done = checkout.run("check")
    assert done.returncode == 0
    assert "uv could not install; going on with pip" in done.stderr
    assert checkout.calls[-2] == f"{PIP} {MAIN} {ENGINE}"


def test_uv_asks_the_index_of_pip(checkout: BareCheckout) -> None:
    """Mirrors, certificates and hosts that pip is configured for are uv's too, the environment's before the files'."""
    checkout.add_uv()
    checkout.say(
        "pip",
        ":env:.index-url='https://env.example/simple'\n"
        "global.cert='/etc/our.pem'\n"
        "global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'\n"
        "global.find-links='/one /two'\n"
        "global.index-url='https://global.example/simple'\n"
        "global.trusted-host='a.example'\n"
        "install.index-url='https://install.example/simple'\n"
        "install.extra-index-url='https://c.example/simple'\n",
    )
    checkout.run("check")
    told = checkout.installed_with
    assert told["UV_DEFAULT_INDEX"] == "https://env.example/simple"
    assert told["UV_INDEX"] == "https://c.example/simple"
    assert told["UV_FIND_LINKS"] == "/one,/two"
    assert told["UV_INSECURE_HOST"] == "a.example"
    assert told["SSL_CERT_FILE"] == "/etc/our.pem"


def test_the_same_set_is_installed_wherever_pip_conf_points(checkout: BareCheckout) -> None:
    """The environment's own place is an argument of pip, which goes before a target, prefix or root of pip.conf."""
    checkout.run("check", environment={"PIP_CONFIG_FILE": "/elsewhere/pip.conf"})
    call = next(call for call in checkout.calls if "pip install" in call)
    assert " --target  --prefix .venv --root / " in call
    assert checkout.installed_with["PIP_CONFIG_FILE"] == "/elsewhere/pip.conf"


@pytest.mark.parametrize("uv", [False, True])
@pytest.mark.parametrize("command", ["cron_run --quiet", "verify --quiet", "cron_heal 48 --quiet"])
def test_a_quiet_command_sets_itself_up_in_silence(checkout: BareCheckout, command: str, uv: bool) -> None:  # noqa: FBT001
    """With --quiet, a set-up that succeeds says nothing, also where it takes long."""
    if uv:
        checkout.add_uv()
    checkout.say(
        "pip_says", "Collecting chdb-core\n  Downloading chdb.whl (182.1 MB)\nInstalling collected packages: chdb\n"
    )
    done = checkout.run(*command.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert sum("pip install" in call for call in checkout.calls) == 1
    assert ("uv pip install --quiet" in "\n".join(checkout.calls)) == uv


def test_several_indexes_of_pip_are_several_of_uv(checkout: BareCheckout) -> None:
    """A setting of several lines is several words."""
    checkout.add_uv()
    checkout.say("pip", "global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'\n")
    checkout.run("check")
    assert checkout.installed_with["UV_INDEX"].split() == ["https://a.example/simple", "https://b.example/simple"]


def test_what_uv_was_told_itself_stands(checkout: BareCheckout) -> None:
    """A variable of uv's own goes before pip's configuration, under its old name too."""
    checkout.add_uv()
    checkout.say("pip", "global.index-url='https://pip.example/simple'\n")
    checkout.run("check", environment={"UV_INDEX_URL": "https://uv.example/simple"})
    assert checkout.installed_with["UV_DEFAULT_INDEX"] == "https://uv.example/simple"


@pytest.mark.parametrize("uv", [False, True])
def test_the_environment_cannot_turn_the_set_up_aside(checkout: BareCheckout, uv: bool) -> None:  # noqa: FBT001
    """Variables by which the user's own pip, uv or Python work elsewhere do not reach the set-up or the program."""
    if uv:
        checkout.add_uv()
    names = (
        "PIP_TARGET PIP_PREFIX PIP_ROOT PYTHONHOME PYTHONPATH PYTHONUSERBASE VIRTUAL_ENV UV_PYTHON UV_TARGET UV_PREFIX"
    )
    elsewhere = dict.fromkeys(names.split(), "/elsewhere")
    checkout.run("check", environment={"PIP_USER": "1", "PYTHONOPTIMIZE": "2", **elsewhere})
    told = checkout.installed_with
    unset = {name for name in elsewhere if name.startswith(("UV_", "PYTHON", "VIRTUAL") if uv else ("PIP_", "PYTHON"))}
    assert told.keys().isdisjoint(unset | {"PYTHONOPTIMIZE"})
    assert uv or told["PIP_USER"] == "0"
    assert checkout.calls[-1] == "run -m main check"


def test_failed_installation_is_tried_again(checkout: BareCheckout) -> None:
    """A failed installation ends in exit code 1 before the command, and the next command installs."""
    checkout.say("failing")
    done = checkout.run("check")
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    assert not any(call.startswith("run ") for call in checkout.calls)
    checkout.unsay("failing")
    assert checkout.run("check").returncode == 0
    assert checkout.calls[-1] == "run -m main check"


def test_interrupted_installation_begins_anew(ready: BareCheckout) -> None:
    """An environment whose installation was cut off is not trusted."""
    (ready.root / ".venv/.installing").touch()
    assert ready.run("check").returncode == 0
    assert ready.calls[0] == "venv .venv"
    assert not (ready.root / ".venv/.installing").exists()


def test_two_commands_install_once(checkout: BareCheckout) -> None:
    """A command that finds another one installing waits for it, and installs nothing itself."""
    checkout.run("install")
    checkout.unsay("calls")
    checkout.change_requirements("second")
    os.mkfifo(checkout.state / "gate")
    with checkout.start("check") as first:
        assert first.stderr
        assert any("at the gate" in line for line in first.stderr)
        with checkout.start("setup_db") as second:
            assert second.stderr
            assert "waiting for it" in second.stderr.readline()
            (checkout.state / "gate").write_text("go\n")
            assert first.wait(timeout=PATIENCE_SECONDS) == second.wait(timeout=PATIENCE_SECONDS) == 0
    assert sum("pip install" in call for call in checkout.calls) == 1
    assert sorted(checkout.calls[-2:]) == ["run -m main check", "run -m main setup_db"]


def test_other_python_makes_another_environment(ready: BareCheckout) -> None:
    """PYTHON of another version replaces the environment; of the same version it changes nothing."""
    ready.run("check", environment={"PYTHON": "python3"})
    assert ready.calls == ["run -m main check"]
    other = ready.bin / "python3.13"
    other.write_text((ready.bin / "python3").read_text().replace("version=3.11", "version=3.13"))
    other.chmod(0o755)
    done = ready.run("check", environment={"PYTHON": "python3.13"})
    assert "using Python 3.13" in done.stderr
    assert "venv .venv" in ready.calls


@pytest.mark.parametrize("version", ["2.7", "3.9", "3.14", ""])
def test_unfit_python_is_refused(checkout: BareCheckout, version: str) -> None:
    """Without a Python of 3.10 to 3.13 one line says so and what to do."""
    checkout.say("version", version)
    done = checkout.run("check")
    assert done.returncode == 2
    assert "run.sh: no Python of 3.10 to 3.13 on PATH" in done.stderr
    assert checkout.calls == []
    done = checkout.run("check", environment={"PYTHON": "python3"})
    assert done.returncode == 2
    assert "PYTHON=python3 is not a Python of 3.10 to 3.13" in done.stderr


def test_python_without_venv_names_the_package(checkout: BareCheckout) -> None:
    """Debian's Python without its venv package is told apart, with the command that installs it."""
    checkout.say("no_venv")
    done = checkout.run("check")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith("install it: apt-get install python3-venv")


def test_machine_without_flock_installs(checkout: BareCheckout) -> None:
    """Where there is no flock, the set-up works without its lock."""
    checkout.remove("flock")
    assert checkout.run("check").returncode == 0
