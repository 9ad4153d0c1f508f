#!/usr/bin/env bash
# Sets up .venv and becomes its Python. What a command takes stands in src/main.py, what it does in src/commands.
set -o errexit -o nounset -o pipefail && trap '' PIPE # a closed pipe is an error like any other
unset CDPATH VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONUSERBASE PYTHONPLATLIBDIR PYTHONOPTIMIZE PYTHONINSPECT
locale=${LC_ALL-} LC_ALL=C && export LC_ALL # only Python needs another one; in some, a lower I is not an i
{ : 3>&1; } 2>/dev/null || exec >/dev/null # else the next file to be opened takes the number of a closed stream
: 3>&2 || exec 2>/dev/null
root=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
venv=$root/.venv

list_commands() {
    cat <<'END'
Usage: ./run.sh COMMAND [ARGUMENTS], ./run.sh COMMAND --help, ./run.sh --version

Start
  demo           Show the main job at work, with simulated prices.
  install        Install what the program needs into .venv.
  check          Check the jobs' prerequisites.
  setup_db       Create the database, the tables and their views.
  setup_cron     Install a job's crontab line.
  cron_run       Run a job once, in the foreground, as cron does.

Look
  status         Show the last runs, the missing hours and the prices.
  runs           List the last runs and why runs failed.
  config         Show the settings and where each was set.
  jobs           List the jobs, their schedules and their crontab lines.
  report         Write an HTML report of prices, coverage and runs.
  verify         Check the stored prices.
  compare        Compare the stored prices of the two sources.
  query          Run your own read-only SQL.
  export         Write stored prices to a file.

Repair
  cron_heal      Fill the missing past hours of a job.
  cron_backfill  Fill past hours of a job, missing or not.
  coins          Show which coin each symbol means, or change it.
  backup         Copy the tables to a new folder and verify the copies.
  restore        Put a backup back into its tables.
  kill           End the running jobs of this checkout.

Remove
  remove_cron    Remove a job's crontab line.
  drop_db        Back up the tables, verify the copies, drop the tables.
  clean          Start over: kill, drop_db, setup_db, cron_run.

Develop
  test           Run the test suite, or a part of it.
  bench          Measure what the program costs, against its rivals.
Exit codes: 0 done, 1 failed or needs attention, 2 usage or settings, 75 locked, 130 Ctrl-C, 143 SIGTERM
END
}

say() { printf 'run.sh: %s\n' "$*" >&2 || :; }
fail() { say "$2" && exit "$1"; } # EXIT_CODE MESSAGE

groups_for() { # COMMAND ARGUMENTS: prints the groups of packages that it needs
    local host='' engine='' xlsx='' setting="^ *(export +)?CLICKHOUSE_HOST *= *['\"]?([^'\"#[:space:]]*).*"
    host=${CLICKHOUSE_HOST-$([[ ! -r $root/.env ]] || sed -nE "s/$setting/\\2/Ip" "$root/.env" | tail -n 1)}
    [[ -n $host && ${host,,} != embedded && " $* " != ' install'*' --embedded '* ]] || engine=' engine'
    [[ ! -e $venv/.installed-xlsx && " $* " != ' install'*' --xlsx '* ]] || xlsx=' xlsx'
    case " $* " in
        *' --help '* | *' -h '*) echo main ;; # before any other, so that help waits for little
        ' test '*) echo main engine xlsx dev ;;
        ' bench '*) echo main engine bench ;;
        *) echo "main$engine$xlsx" ;;
    esac
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
requirements() { [[ $1 == main ]] && echo "$root/requirements.txt" || echo "$root/requirements-$1.txt"; } # of a group
stamp() { echo "$(sha256sum <"$(requirements "$1")") $(version_of "$venv/bin/python")"; }

is_set_up() { # GROUPS: each stamped with its present requirements, for the Python that is wanted
    [[ ! -e $venv/.installing && -x $venv/bin/python ]] || return
    [[ -z ${PYTHON-} || $(version_of "$PYTHON") == "$(version_of "$venv/bin/python")" ]] || return
    for group in "$@"; do
        [[ -f $venv/.installed-$group && $(<"$venv/.installed-$group") == "$(stamp "$group")" ]] || return
    done
}

make_venv() { # FOLDER: with the first fit Python; an interrupted one and one of another Python are made anew
    local python candidates=(python3 python3.14 python3.13 python3.12 python3.11 python3.10)
    [[ -z ${PYTHON-} ]] || candidates=("$PYTHON")
    if is_set_up && "$1/bin/python" -m pip --version >/dev/null 2>&1; then return; fi
    for python in "${candidates[@]}"; do
        [[ $(version_of "$python") =~ ^3\.1[0-4]$ ]] || continue
        "$python" -c 'import ensurepip, venv' 2>/dev/null || fail 2 "$python lacks venv: apt-get install python3-venv"
        say "using $("$python" -V) ($python)"
        "$python" -m venv --clear "$1" >&2 || fail 1 "could not create $1, see above"
        return
    done
    fail 2 "${PYTHON:+PYTHON=$PYTHON is }no Python of 3.10 to 3.14: apt-get install python3 python3-venv, or set PYTHON"
}

install_into() { # VENV GROUP: checks each file's hash; of pip's and uv's own options, keeps those of how to fetch files
    local name value python=$1/bin/python options=(--no-deps --require-hashes --requirement "$(requirements "$2")")
    local kept='_(.*INDEX.*|FIND_LINKS|.*_HOST|.*CERTS?|NATIVE_TLS|.*PROXY|.*CACHE.*|.*TIMEOUT|KEYRING_PROVIDER)$'
    while IFS='=' read -r name value; do
        name=PIP_${name^^} name=${name//-/_}
        [[ ! $name =~ $kept || -n ${!name-} ]] || export "$name=${value//\\n/ }"
    done < <(PIP_QUIET=0 "$python" -m pip config list | sed -nE "s/^(global|install)\.([a-z-]+)='(.*)'/\2=\3/p" | sort -r)
    for name in "${!PIP_@}" "${!UV_@}"; do [[ $name =~ $kept ]] || unset "$name"; done
    { [[ -z ${PIP_NO_INDEX-} ]] && type -P uv >/dev/null &&
        uv pip install --python "$python" --compile-bytecode "${options[@]}" >&2; } ||
        PIP_CONFIG_FILE=/dev/null "$python" -m pip install --no-input --disable-pip-version-check "${options[@]}" >&2
}

set_up() ( # GROUPS; the lock is on the checkout's folder, so the kernel frees it however an installation ends
    trap 'exit 130' INT
    if type flock >/dev/null 2>&1 && ! problem=$(flock -n 9 2>&1); then
        say "${problem:+no lock on $root, so run nothing else now: }${problem:-another command is installing; waiting}"
        [[ -n $problem ]] || flock 9
    fi
    for group in "$@"; do
        is_set_up "$group" && continue
        say "installing $(requirements "$group")"
        # The rivals of bench live apart: they bring pyarrow, which the engine would load.
        folder=$venv$([[ $group != bench ]] || echo /bench)
        make_venv "$folder"
        : >"$venv/.installing"
        hint=${group/#engine/; a ClickHouse server needs no engine: set CLICKHOUSE_HOST in .env}
        install_into "$folder" "$group" || fail 1 "the installation failed, see above; run: ./run.sh install${hint#"$group"}"
        stamp "$group" >"$venv/.installed-$group" && rm -f -- "$venv/.installing"
    done
) 9<"$root"

[[ ${1-} != help || $# -lt 2 ]] || set -- "$2" --help
case ${1-help} in
    help | -h | --help) list_commands ;;
    --version) sed -n 's/^version = "\(.*\)"$/data-processor \1/p' "$root/pyproject.toml" || exit 1 ;;
    *)
        # Nothing is installed for a typing error; if it is, Typer suggests what was meant.
        [[ $(list_commands) == *$'\n'"  $1 "* ]] || is_set_up main || fail 2 "unknown command: $1; run: ./run.sh help"
        read -r -a groups <<<"$(groups_for "$@")"
        is_set_up "${groups[@]}" || set_up "${groups[@]}"
        # Not by -m, which would take modules from the caller's folder.
        LC_ALL=$locale PYTHONPATH=$root/src exec "$venv/bin/python" "$root/src/main.py" "$@"
        ;;
esac
