#!/usr/bin/env bash
# The front door: one small function a command. A function's comment is its help: first line the summary, then "Usage:".
set -o errexit -o nounset -o pipefail
unset CDPATH PYTHONHOME PYTHONPATH VIRTUAL_ENV

_caller=$PWD
_self=$(readlink -f -- "${BASH_SOURCE[0]}")
_root=${_self%/*}
_venv=$_root/.venv
_poetry=$_root/.poetry
_poetry_pins=(poetry==2.5.1 poetry-plugin-export==1.10.1)
cd -- "$_root"

check() {
    # Say whether everything the main job needs is there, and what to do where it is not.
    # Usage: check
    # A table with one row each; exit code 1 if anything that the main job needs is missing.
    # Example: ./run.sh check
    _run main -m main check "$@"
}

install() {
    # Install what the program needs into .venv, from poetry.lock, every file checked against its hash.
    # Usage: install
    # Every command does this by itself; after an update of the checkout do it before cron's next run.
    # Example: PYTHON=python3.12 ./run.sh install, which chooses the Python (3.10 to 3.13)
    _set_up main
    _say "ready: $("$_venv/bin/python" -V) in $_venv"
}

test() {
    # Run the whole test suite, or what the arguments of pytest choose.
    # Usage: test [PYTEST ARGUMENTS]
    # Example: ./run.sh test tests/crons -k install
    # Without arguments a process for each processor takes its share of the files.
    if (($# == 0)); then
        set -- --numprocesses auto --dist loadfile
    fi
    _run dev -m pytest "$@"
}

setup_db() {
    # Create the database, the table and the view where they are missing.
    # Usage: setup_db
    # Harmless to repeat.
    # Example: ./run.sh setup_db
    _run main -m main setup_db "$@"
}

drop_db() {
    # Export the whole table to backups/, verify the copy, then drop the table.
    # Usage: drop_db [--yes] [--quiet]
    # On a terminal it asks first, unless --yes; without a terminal it goes on, the backup being made.
    # --quiet prints nothing but errors and where the backup is.
    # Example: ./run.sh drop_db --yes
    _run main -m main drop_db "$@"
}

restore() {
    # Put a backup back into the table, by the same upsert as every other write.
    # Usage: restore FILE [--job NAME] [--quiet]
    # --quiet prints nothing but errors.
    # Example: ./run.sh restore backups/NAME, as drop_db printed it
    local file=${1-}
    [[ -n $file ]] || _usage_error restore "restore: FILE is missing"
    # A path is meant from where the caller stands; from elsewhere it may also be meant from the checkout.
    [[ -e $_caller/$file && $file != /* ]] && set -- "$_caller/$file" "${@:2}"
    _run main -m main restore "$@"
}

kill() {
    # End the running jobs of this checkout, and only those.
    # Usage: kill
    # SIGTERM first, SIGKILL after a grace time; says what it ended.
    # Example: ./run.sh kill
    _run main -m main kill "$@"
}

cron_run() {
    # Run a job once, in the foreground, as cron does.
    # Usage: cron_run [NAME] [--quiet]
    # NAME is cmc_hourly_prices when not given; --quiet shows warnings and errors only.
    # Example: ./run.sh cron_run --quiet
    [[ ${1--} == -* ]] && set -- cmc_hourly_prices "$@"
    _run main -m crons.run "$@"
}

setup_cron() {
    # Install a job's crontab line, in a block marked with this checkout's path.
    # Usage: setup_cron [NAME] [--heal] [--schedule "0 * * * *"] [--dry-run]
    # NAME is cmc_hourly_prices when not given; --dry-run shows the change only. Harmless to repeat.
    # --heal installs a second line: a daily cron_heal.
    # Example: ./run.sh setup_cron --schedule "5 * * * *"
    # The previous crontab is kept in backups/.
    _run main -m main setup_cron "$@"
}

remove_cron() {
    # Remove a job's crontab line.
    # Usage: remove_cron [NAME] [--heal] [--dry-run]
    # --heal removes the line of setup_cron --heal instead.
    # Example: ./run.sh remove_cron --dry-run
    # NAME is cmc_hourly_prices when not given. Harmless to repeat; the previous crontab is kept in backups/.
    _run main -m main remove_cron "$@"
}

cron_backfill() {
    # Fill the past HOURS hours of a job, in the foreground.
    # Usage: cron_backfill NAME HOURS [--dry-run] [--quiet]
    # Example: ./run.sh cron_backfill cmc_hourly_prices 168
    # Needs CMC_API_KEY. --dry-run stops after the estimate of calls and credits.
    (($#)) || _usage_error cron_backfill "cron_backfill: NAME and HOURS are missing"
    _run main -m crons.run "$1" backfill "${@:2}"
}

cron_heal() {
    # Fill the hours that are missing among the past HOURS hours of a job, and only those.
    # Usage: cron_heal [NAME] [HOURS] [--dry-run] [--all] [--max-credits N] [--quiet]
    # NAME is cmc_hourly_prices and HOURS 168 when not given. Needs CMC_API_KEY. --dry-run stops after the estimate.
    # Spends at most N credits, 100 when not given; what is over that is left for the next heal.
    # Hours that CoinMarketCap had no quote for are remembered and not asked for again, unless --all.
    # Hours before a symbol's first stored one are filled too, so that a new symbol gets its last week; status, verify
    # and report count from the first stored one on.
    # Example: ./run.sh cron_heal cmc_hourly_prices 168 --dry-run
    [[ ${1--} == [-0-9]* ]] && set -- cmc_hourly_prices "$@"
    _run main -m crons.run "$1" heal "${@:2}"
}

jobs() {
    # List the jobs: what each does, its schedule, and whether it is installed in the crontab.
    # Usage: jobs
    # Example: ./run.sh jobs
    _run main -m main jobs "$@"
}

status() {
    # Say how the last runs went, which hours are missing and what the prices look like.
    # Usage: status [NAME] [--json] [--all]
    # Exit code 1 if a person is needed:
    # - no good run, or no price of a symbol, for two hours, or for two of the longest intervals of the schedule
    # - two runs or two heals in a row failed, the last of the heals within eight days
    # - rows or records of runs that wait in the spool for over an hour, or a damaged file of it
    # - a database that does not answer, or that another process has had open for as long as a run may be old
    # --json gives one JSON object for machines; --all shows every symbol beyond a screenful of a terminal.
    # Example: ./run.sh status --json
    _run main -m main status "$@"
}

verify() {
    # Look through the stored prices for what may never stand there.
    # Usage: verify [--quiet]
    # Another shape than the program makes, keys that stand twice or disagree with their time, hours to come, absurd
    # prices, missing hours, stuck mutations; exit code 1 if any. --quiet prints nothing but what is wrong.
    # Example: ./run.sh verify
    _run main -m main verify "$@"
}

report() {
    # Write one HTML file into reports/ with the prices, the coverage and the runs of the last HOURS hours.
    # Usage: report [HOURS] [--quiet]
    # --quiet prints nothing but errors and where the file is.
    # HOURS is 168 when not given. The file needs no network: open it in any browser, send it to anybody.
    # Example: ./run.sh report 720
    _run main -m main report "$@"
}

clean() {
    # Start anew: kill, drop_db, setup_db, cron_run cmc_hourly_prices; the first failure ends it.
    # Usage: clean [--yes]
    # Running jobs are ended before anything else; then, as drop_db does, it asks on a terminal unless --yes, and makes a
    # backup first.
    # Example: ./run.sh clean --yes
    [[ $# == 0 || $* == --yes ]] || _usage_error clean "clean takes nothing but --yes: $*"
    bash "$_self" kill
    bash "$_self" drop_db "$@"
    bash "$_self" setup_db
    exec bash "$_self" cron_run cmc_hourly_prices
}

demo() {
    # Show the main job and a 48-hour backfill at work, with simulated prices and a database of its own.
    # Usage: demo
    # Needs no key, no ClickHouse server and no .env; never touches your data.
    # Example: ./run.sh demo
    _run main -m sandbox.demo "$@"
}

bench() {
    # Measure what the program costs, against dlt and against the size of the table; writes benchmarks/RESULTS.md.
    # Usage: bench [--tiny] [--quick] [--large] [--folder FOLDER] [NAME ...]
    # NAME is one of process, backfill, memory, upsert, reads, year, server; all when not given, some ten minutes.
    # --tiny only shows that it works, --quick is a first idea: neither writes. --large adds a table of 100 million
    # rows, made once and kept in FOLDER, data/bench when not given, and a whole year of updates.
    # Example: ./run.sh bench --quick process
    _run bench -m benchmarks "$@"
}

help() {
    # List the commands, or show the help of one.
    # Usage: help [COMMAND]
    # Example: ./run.sh help cron_heal
    if (($# == 0)); then
        _list_commands
    elif _is_command "$1"; then
        _command_help "$1"
    else
        _usage_error "" "unknown command: $1"
    fi
}

_list_commands() {
    printf 'Usage: ./run.sh COMMAND [ARGUMENTS]     ./run.sh COMMAND --help\n\nCommands\n'
    local line
    while IFS= read -r line; do
        if [[ $line =~ ^([a-z][a-z_]*)\(\)\ \{$ ]]; then
            IFS= read -r line
            printf '  %-14s %s\n' "${BASH_REMATCH[1]}" "${line#*# }"
        fi
    done <"$_self"
    _exit_codes
}

_exit_codes() {
    cat <<'TEXT'

Exit codes
  0    done
  1    the job or command failed, or something needs a person (status, verify, check)
  2    usage or configuration
  75   another run holds the lock
  130  ended by Ctrl-C
  143  ended by SIGTERM
TEXT
}

_command_help() { # COMMAND: its comment, as text
    local line summary usage
    while IFS= read -r line && [[ $line != "$1() {" ]]; do :; done
    IFS= read -r summary
    IFS= read -r usage
    printf 'Usage: ./run.sh %s\n\n%s\n' "${usage#*Usage: }" "${summary#*# }"
    while IFS= read -r line && [[ $line =~ ^\ *#\ (.*) ]]; do printf '%s\n' "${BASH_REMATCH[1]}"; done
    _exit_codes
} <"$_self"

_is_command() { # WORD: true if this file defines it as a command
    [[ $1 =~ ^[a-z][a-z_]*$ ]] && [[ $'\n'$(<"$_self") == *$'\n'"$1() {"$'\n'* ]]
}

_usage_error() { # COMMAND MESSAGE: the message, the help (of everything where COMMAND is empty), exit code 2
    {
        printf '%s\n\n' "$2"
        if [[ -n $1 ]]; then _command_help "$1"; else _list_commands; fi
    } >&2
    exit 2
}

_say() { printf 'run.sh: %s\n' "$*" >&2; }

_fail() { # EXIT_CODE MESSAGE
    _say "$2"
    exit "$1"
}

_run() { # GROUP ARGUMENTS: become the checkout's Python, so that signals and exit codes pass through
    _set_up "$1"
    PYTHONPATH=$_root/src exec "$_venv/bin/python" "${@:2}"
}

# --- set-up: .venv holds what poetry.lock says, in groups (main, dev, bench), each stamped when it is complete ---

_set_up() { # GROUP: make sure that main and GROUP are installed
    _is_set_up "$1" && return
    # The lock is on the checkout's folder: nothing to clean up, and the kernel frees it however an installation ends.
    (
        if type flock >/dev/null 2>&1 && ! flock -n 9; then
            _say "another command is installing here; waiting for it"
            flock 9
        fi
        _is_set_up "$1" || _install_groups "$1"
    ) 9<"$_root"
}

_is_set_up() { # GROUP
    _stamp_is main && _stamp_is "$1"
}

_stamp_is() { # GROUP: true if it was installed from this poetry.lock, for the Python that is asked for
    local stamp=$_venv/.installed-$1
    [[ -f $stamp && ! -e $_venv/.installing && $(<"$stamp") == "$(_stamp)" ]]
}

_stamp() {
    local python=$_venv/bin/python
    [[ -z ${PYTHON-} ]] || python=$PYTHON
    printf '%s %s' "$(cksum <poetry.lock)" "$(_python_version "$python" || true)"
}

_python_version() { # PYTHON: prints 3.12, for example; fails if it does not run
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

_install_groups() { # GROUP
    local groups=main requirements=$_venv/.requirements-$1
    [[ $1 == main ]] || groups=main,$1
    _say "installing ($groups) into $_venv; this takes a minute or two the first time"
    _make_venv
    : >"$_venv/.installing"
    if ! _install_with_poetry "$groups" "$requirements" >&2; then
        rm -f -- "$_venv/.installing"
        _fail 1 "the installation failed, see above; ./run.sh install tries again"
    fi
    local group
    for group in ${groups/,/ }; do _stamp >"$_venv/.installed-$group"; done
    rm -f -- "$_venv/.installing"
    _say "installed"
}

_make_venv() { # a virtual environment that works: an interrupted or foreign one is made anew
    local have want python=''
    have=$(_python_version "$_venv/bin/python" || true)
    want=$have
    [[ -z ${PYTHON-} ]] || want=$(_python_version "$PYTHON" || true)
    if [[ -n $have && $have == "$want" && $have =~ ^3\.1[0-3]$ && ! -e $_venv/.installing ]] &&
        "$_venv/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    python=$(_choose_python)
    _say "using $("$python" -V) ($python)"
    "$python" -m venv --clear "$_venv" >&2 || _fail 1 "could not make $_venv, see above"
}

_choose_python() { # prints the first Python of 3.10 to 3.13 that can make a virtual environment
    local python version without_venv='' candidates=(python3 python3.13 python3.12 python3.11 python3.10)
    [[ -z ${PYTHON-} ]] || candidates=("$PYTHON")
    for python in "${candidates[@]}"; do
        version=$(_python_version "$python") || continue
        [[ $version =~ ^3\.1[0-3]$ ]] || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            type -P "$python"
            return
        fi
        without_venv=${without_venv:-$python}
    done
    [[ -z $without_venv ]] ||
        _fail 2 "$without_venv has no venv module; install it: apt-get install python3-venv"
    [[ -z ${PYTHON-} ]] ||
        _fail 2 "PYTHON=$PYTHON is no Python of 3.10 to 3.13; name another, or unset PYTHON"
    _fail 2 "no Python of 3.10 to 3.13 on PATH; install one (apt-get install python3 python3-venv) or set PYTHON"
}

_install_with_poetry() { # GROUPS FILE: what poetry.lock holds for them, each file checked against its hash
    local poetry
    if poetry=$(_poetry_on_path); then
        if "$poetry" export --help >/dev/null 2>&1; then
            _export_and_install "$1" "$2" "$poetry"
            return
        fi
        # Without its export plugin it can only install by itself, which needs an index with Poetry's JSON API.
        _say "asking $poetry first; if this index cannot serve it, a private one follows"
        VIRTUAL_ENV=$_venv POETRY_REQUESTS_TIMEOUT=10 "$poetry" install --no-interaction --only "$1" && return
        _say "$poetry could not install from this index; going on with a private one, which leaves that to pip"
    fi
    _bootstrap_poetry && _export_and_install "$1" "$2" "$_poetry/bin/python" -m poetry
}

_poetry_on_path() { # prints the Poetry of PATH if it is 2.2 or newer
    local poetry version
    poetry=$(type -P poetry) && version=$("$poetry" --version 2>/dev/null) || return
    [[ $version =~ ([0-9]+)\.([0-9]+) ]] && ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] >= 2002)) || return
    printf '%s' "$poetry"
}

_bootstrap_poetry() {
    local stamp=$_poetry/.installed
    [[ -f $stamp && $(<"$stamp") == "${_poetry_pins[*]}" ]] &&
        "$_poetry/bin/python" -m poetry --version >/dev/null 2>&1 && return
    _say "installing a private Poetry into $_poetry"
    "$_venv/bin/python" -m venv --clear "$_poetry" || return
    _pip "$_poetry/bin/python" "${_poetry_pins[@]}" || return
    printf '%s' "${_poetry_pins[*]}" >"$stamp"
}

_export_and_install() { # GROUPS FILE POETRY...: pip reaches every index that pip is configured for, Poetry need not
    "${@:3}" export --no-interaction --only "$1" --output "$2" &&
        _pip "$_venv/bin/python" --no-deps --require-hashes --requirement "$2"
}

_pip() { # PYTHON ARGUMENTS
    PIP_USER=0 "$1" -m pip install --no-input --disable-pip-version-check "${@:2}" | _briefly
}

_briefly() { # what pip says, without what nobody needs to know who only waits for it
    local line
    while IFS= read -r line; do
        case $line in
            Collecting\ * | Ignoring\ * | Looking\ in\ * | Requirement\ already\ * | \ \ Using\ cached\ * | \ \ Link\ * | \ \ \ \ *) ;;
            Installing\ collected\ packages:*) printf 'Installing what was downloaded\n' ;;
            Successfully\ installed\ *) ;;
            *) printf '%s\n' "$line" ;;
        esac
    done
}

_dispatch() { # COMMAND ARGUMENTS
    case $1 in -h | --help) set -- help ;; esac
    _is_command "$1" || _usage_error "" "unknown command: $1"
    local argument
    for argument in "${@:2}"; do
        # Not "&& return": help that cannot be written must not turn into the command.
        case $argument in -h | --help)
            _command_help "$1"
            return
            ;;
        esac
    done
    "$@"
}

(($#)) || set -- help
_dispatch "$@"
