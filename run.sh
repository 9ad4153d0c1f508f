#!/usr/bin/env bash
# The front door: lists the commands and starts them. What a command does, takes and says of itself stands in Python, in
# the function of its name; its docstring is its help, and the first line of that is what the list shows.
set -o errexit -o nounset -o pipefail
unset CDPATH VIRTUAL_ENV PYTHONHOME PYTHONPATH PYTHONUSERBASE PYTHONPLATLIBDIR PYTHONOPTIMIZE PYTHONINSPECT

_caller=$PWD
_self=$(readlink -f -- "${BASH_SOURCE[0]}")
_root=${_self%/*}
_venv=$_root/.venv
_quiet=''
cd -- "$_root"

_groups=(
    "Start    demo install check setup_db setup_cron cron_run"
    "Look     status jobs report verify compare query export"
    "Repair   cron_heal cron_backfill coins backup restore kill"
    "Remove   remove_cron drop_db clean"
    "Develop  test bench"
)
_sources=(src/main.py src/crons/run.py benchmarks/__main__.py)

_main() { # ARGUMENTS, as they were typed
    case ${1-help} in
        help | -h | --help)
            if (($# < 2)) || [[ $2 == help || $2 == -* ]]; then _list_commands; else _help "$2"; fi
            return
            ;;
        --version)
            _print_version
            return
            ;;
    esac
    _expect_command "$1"
    local argument
    for argument in "${@:2}"; do
        # Not "&& return": help that cannot be written must not turn into the command.
        case $argument in -h | --help)
            _help "$1"
            return
            ;;
        esac
    done
    [[ " ${*:2} " != *' --quiet '* ]] || _quiet=1
    # shellcheck disable=SC2046 # the groups are words
    _set_up $(_needs "$@")
    _start "$@"
}

_needs() { # COMMAND ARGUMENTS: prints the groups of packages that it works with
    local engine=engine
    if _uses_server && [[ "$*" != "install --embedded" ]]; then engine=''; fi
    case $1 in
        test) echo main engine dev ;;
        bench) echo main engine bench ;;
        *) echo main $engine ;;
    esac
}

_uses_server() { # true if the environment or .env names a server for CLICKHOUSE_HOST, as Python would read them
    local host=${CLICKHOUSE_HOST-} line
    if [[ -z ${CLICKHOUSE_HOST+set} && -r .env ]]; then
        while IFS= read -r line || [[ -n $line ]]; do
            [[ ${line^^} =~ ^[[:space:]]*(EXPORT[[:space:]]+)?CLICKHOUSE_HOST[[:space:]]*=[[:space:]]*[\'\"]?([^\'\"#[:space:]]*) ]] &&
                host=${BASH_REMATCH[2]}
        done <.env
    fi
    [[ -n $host && ${host^^} != EMBEDDED ]]
}

_start() { # COMMAND ARGUMENTS: become the checkout's Python, so that signals and exit codes pass through
    case $1 in
        cron_run)
            [[ ${2--} == -* ]] && set -- "$1" cmc_hourly_prices "${@:2}"
            ;;
        cron_backfill | cron_heal)
            [[ ${2--} == [-0-9]* ]] && set -- "$1" cmc_hourly_prices "${@:2}"
            ;;
        restore)
            # A path is meant from where the caller stands; from elsewhere it may also be meant from the checkout.
            [[ -e $_caller/${2-} && ${2-} == [!/-]* ]] && set -- "$1" "$_caller/$2" "${@:3}"
            ;;
    esac
    case $1 in
        export)
            # FILE is meant from where the caller stands. Not by -m, which would take modules from there too.
            cd -- "$_caller"
            PYTHONPATH=$_root/src exec "$_venv/bin/python" "$_root/src/main.py" "$@"
            ;;
        cron_run) set -- crons.run "${@:2}" ;;
        cron_backfill | cron_heal) set -- crons.run "$2" "${1#cron_}" "${@:3}" ;;
        bench) set -- benchmarks "${@:2}" ;;
        *) set -- main "$@" ;;
    esac
    PYTHONPATH=$_root/src exec "$_venv/bin/python" -m "$@"
}

# --- help: the list is read out of the sources as text, so that it is there at once and before anything is installed ---

_help() { # COMMAND: its own help, for which the engine is not needed
    _expect_command "$1"
    _set_up main
    _start "$1" --help
}

_list_commands() {
    local group name
    local -A summaries=()
    _read_summaries
    printf 'Usage: ./run.sh COMMAND [ARGUMENTS]\n       ./run.sh COMMAND --help\n       ./run.sh --version\n'
    for group in "${_groups[@]}"; do
        printf '\n%s\n' "${group%% *}"
        for name in ${group#* }; do printf '  %-14s %s\n' "$name" "${summaries[$name]}"; done
    done
    printf '%s' '
Exit codes
  0    done
  1    failed, or something needs attention (status, verify, compare, check)
  2    usage or configuration
  75   another run holds the lock
  130  ended by Ctrl-C
  143  ended by SIGTERM
'
}

_read_summaries() { # fill `summaries` of the caller: the first line of the docstring of each function
    local file line name=''
    for file in "${_sources[@]}"; do
        while IFS= read -r line; do
            if [[ $line == 'def '* ]]; then
                name=${line#def } name=${name%%(*}
            elif [[ -n $name && $line == '    """'* ]]; then
                line=${line#*\"\"\"}
                summaries[$name]=${line%%\"\"\"*} name=''
            fi
        done <"$file"
    done
}

_print_version() {
    local line name=''
    while IFS= read -r line; do
        case $line in
            'name = '*) name=${line#*\"} ;;
            'version = '*)
                line=${line#*\"}
                printf '%s %s\n' "${name%\"}" "${line%\"}"
                return
                ;;
        esac
    done <pyproject.toml
}

_command_names() { printf '%s\n' "${_groups[@]#* }"; }

_expect_command() { # WORD: exit code 2, with what was probably meant, if it is not a command
    local meant
    [[ $1 =~ ^[a-z_]+$ && " ${_groups[*]#* } " == *" $1 "* ]] && return
    meant=$(_nearest "$1")
    if [[ -n $meant ]]; then
        printf 'unknown command: %s\ndid you mean %s? ./run.sh help lists the commands\n' "$1" "$meant"
    else
        printf 'unknown command: %s\n\n' "$1"
        _list_commands
    fi >&2
    exit 2
}

_nearest() { # WORD: prints the command that is at most two typing errors away, or begins with it; nothing if none
    local word=${1,,} name best=3 nearest='' errors
    word=${word//-/_}
    ((${#word} > 1 && ${#word} < 30)) || return 0
    for name in $(_command_names); do
        errors=$(_typing_errors "$word" "$name")
        if ((errors < best && errors < ${#name} / 2)); then
            best=$errors nearest=$name
        elif [[ -z $nearest && $name == "$word"* ]]; then
            nearest=$name
        fi
    done
    printf '%s' "$nearest"
}

_typing_errors() { # WORD NAME: prints how many letters are wrong, missing, too many or swapped with their neighbor
    local -a before=() above=() row=()
    local i j least
    for ((j = 0; j <= ${#2}; j++)); do above[j]=$j; done
    for ((i = 1; i <= ${#1}; i++)); do
        row=("$i")
        for ((j = 1; j <= ${#2}; j++)); do
            least=$((above[j - 1] + 1))
            [[ ${1:i-1:1} == "${2:j-1:1}" ]] && least=${above[j - 1]}
            ((above[j] + 1 < least)) && least=$((above[j] + 1))
            ((row[j - 1] + 1 < least)) && least=$((row[j - 1] + 1))
            if ((i > 1 && j > 1)) && [[ ${1:i-2:2} == "${2:j-1:1}${2:j-2:1}" ]]; then
                ((before[j - 2] + 1 < least)) && least=$((before[j - 2] + 1))
            fi
            row[j]=$least
        done
        before=("${above[@]}") above=("${row[@]}")
    done
    printf '%s' "${above[-1]}"
}

_say() { printf 'run.sh: %s\n' "$*" >&2; }

_note() { [[ -n $_quiet ]] || _say "$@"; } # what is not wrong

_fail() { # EXIT_CODE MESSAGE
    _say "$2"
    exit "$1"
}

# --- set-up: .venv holds what the requirements files say, a file for each group, each stamped when it is complete ---

_set_up() { # GROUPS: make sure that they are installed
    _is_set_up "$@" && return
    # The lock is on the checkout's folder: nothing to clean up, and the kernel frees it however an installation ends.
    (
        trap 'exit 130' INT # Ctrl-C ends the set-up, whatever the installer that it ends would be followed by
        if type flock >/dev/null 2>&1 && ! flock -n 9; then
            _note "another command is installing here; waiting for it"
            flock 9
        fi
        _is_set_up "$@" || _install_groups "$@"
    ) 9<"$_root"
}

_is_set_up() { # GROUPS
    local group version
    [[ ! -e $_venv/.installing ]] && version=$(_wanted_version) || return
    for group in "$@"; do _is_stamped "$group" "$version" || return; done
}

_wanted_version() { # prints the version of the Python that is asked for, else of the one that is there
    local python=$_venv/bin/python
    [[ -z ${PYTHON-} ]] || python=$PYTHON
    _python_version "$python"
}

_is_stamped() { # GROUP VERSION: true if it was installed from the present file of requirements, for that Python
    local stamp=$_venv/.installed-$1
    [[ -f $stamp && $(<"$stamp") == "$(_stamp "$1" "$2")" ]]
}

_stamp() { # GROUP VERSION
    printf '%s %s' "$(cksum <"$(_requirements "$1")")" "$2"
}

_requirements() { # GROUP: prints the name of its file
    case $1 in main) echo requirements.txt ;; *) echo "requirements-$1.txt" ;; esac
}

_python_version() { # PYTHON: prints 3.12, for example; fails if it does not run
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

_size() { # GROUP: prints what it takes, in MB to download and on the disk
    case $1 in
        main) echo 10 80 ;;
        engine) echo 182 535 ;;
        dev) echo 51 175 ;;
        bench) echo 90 330 ;;
    esac
}

_install_groups() { # GROUPS: those of them that are missing
    local group version megabytes download=0 disk=0 missing=()
    _make_venv "$_venv"
    version=$(_python_version "$_venv/bin/python")
    for group in "$@"; do
        _is_stamped "$group" "$version" && continue
        missing+=("$group")
        read -r -a megabytes <<<"$(_size "$group")"
        download=$((download + megabytes[0])) disk=$((disk + megabytes[1]))
    done
    _note "installing ${missing[*]} into $_venv"
    _note "some $download MB to download, $disk MB on the disk"
    : >"$_venv/.installing"
    if ! _install_files "${missing[@]}"; then
        rm -f -- "$_venv/.installing"
        _fail 1 "the installation failed, see above; ./run.sh install tries again"
    fi
    for group in "${missing[@]}"; do _stamp "$group" "$version" >"$_venv/.installed-$group"; done
    rm -f -- "$_venv/.installing"
    _note "installed in $SECONDS s"
}

_install_files() { # GROUPS
    local group folder=$_venv files=()
    for group in "$@"; do
        if [[ $group == bench ]]; then
            # Apart from the program: it brings pyarrow, which the engine would load where it finds it.
            _make_venv "$_venv/bench" && _install_into "$_venv/bench" --requirement "$(_requirements bench)" || return
        else
            files+=(--requirement "$(_requirements "$group")")
        fi
    done
    ((${#files[@]} == 0)) || _install_into "$folder" "${files[@]}"
}

_make_venv() { # FOLDER: a virtual environment that works: an interrupted or foreign one is made anew
    local have want python=''
    have=$(_python_version "$1/bin/python" || true)
    want=$have
    [[ -z ${PYTHON-} ]] || want=$(_python_version "$PYTHON" || true)
    if [[ -n $have && $have == "$want" && $have =~ ^3\.1[0-3]$ && ! -e $1/.installing ]] &&
        "$1/bin/python" -m pip --version >/dev/null 2>&1; then
        return
    fi
    python=$(_choose_python)
    _note "using $("$python" -V) ($python)"
    "$python" -m venv --clear "$1" >&2 || _fail 1 "could not make $1, see above"
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
        _fail 2 "PYTHON=$PYTHON is not a Python of 3.10 to 3.13; name another, or unset PYTHON"
    _fail 2 "no Python of 3.10 to 3.13 on PATH; install one (apt-get install python3 python3-venv) or set PYTHON"
}

_install_into() { # VENV --requirement FILE...: every file is checked against its hash; with uv where it is on PATH
    if type -P uv >/dev/null; then
        _install_with_uv "$@" && return
        _say "uv could not install; going on with pip"
    fi
    _install_with_pip "$@"
}

_install_with_pip() { # VENV --requirement FILE...; into that environment, wherever the user's own pip installs
    # Said as arguments, the places go before those of pip.conf, which may also hold an index that is needed.
    env -u PIP_TARGET -u PIP_PREFIX -u PIP_ROOT -u PIP_DRY_RUN PIP_USER=0 PIP_ROOT_USER_ACTION=ignore \
        "$1/bin/python" -m pip install --target '' --prefix "$1" --root / --no-input --disable-pip-version-check \
        --no-deps --require-hashes "${@:2}" 2>&1 | _briefly
}

_install_with_uv() ( # VENV --requirement FILE...; from the index that pip is configured for
    unset UV_SYSTEM_PYTHON UV_PYTHON UV_TARGET UV_PREFIX
    _take_settings_of_pip "$1/bin/python"
    uv pip install ${_quiet:+--quiet} --python "$1/bin/python" --compile-bytecode --no-deps --require-hashes "${@:2}" >&2
)

_take_settings_of_pip() { # PYTHON: set for uv what pip knows of indexes and certificates and uv has not been told
    local lines line scope name value
    mapfile -t lines < <("$1" -m pip config list)
    for scope in :env: install global; do # as pip ranks them
        for line in "${lines[@]}"; do
            [[ $line =~ ^"$scope"\.([a-z-]+)=[\'\"](.*)[\'\"]$ ]] || continue
            name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]//\\n/ }
            case $name in
                index-url) export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX-${UV_INDEX_URL-$value}}" ;;
                extra-index-url) export UV_INDEX="${UV_INDEX-${UV_EXTRA_INDEX_URL-$value}}" ;;
                find-links) export UV_FIND_LINKS="${UV_FIND_LINKS-${value// /,}}" ;;
                no-index) export UV_NO_INDEX="${UV_NO_INDEX-$value}" ;;
                trusted-host) export UV_INSECURE_HOST="${UV_INSECURE_HOST-$value}" ;;
                proxy) export HTTPS_PROXY="${HTTPS_PROXY-$value}" ;;
                cert) export SSL_CERT_FILE="${SSL_CERT_FILE-$value}" ;;
                client-cert) export SSL_CLIENT_CERT="${SSL_CLIENT_CERT-$value}" ;;
            esac
        done
    done
    # The hashes say what is wanted, whichever index has it; uv by itself would ask the first that knows the name.
    export UV_INDEX_STRATEGY="${UV_INDEX_STRATEGY-unsafe-best-match}"
}

_briefly() { # what pip says, on stderr: on a terminal one line that follows it, elsewhere what takes long
    local line part='' doing=starting packages=0 wipe=''
    [[ ! -t 2 || -n $_quiet ]] || wipe=$'\r\e[K'
    while :; do
        if IFS= read -r -t 1 line; then
            line=$part$line part=''
            case $line in
                Collecting\ * | Processing\ *)
                    line=${line#* } line=${line%% *}
                    packages=$((packages + 1)) doing="package $packages: ${line##*/}"
                    ;;
                \ \ Downloading\ *[0-9][0-9].[0-9]\ MB\))
                    doing="downloading ${line#*Downloading }"
                    [[ -n $wipe$_quiet ]] || printf '%s\n' "$doing" >&2
                    ;;
                Installing\ collected\ packages:*)
                    doing="unpacking $packages packages"
                    [[ -n $wipe$_quiet ]] || printf '%s\n' "$doing" >&2
                    ;;
                Ignoring\ * | Looking\ in\ * | Requirement\ already\ * | Successfully\ installed\ *) ;;
                '' | \ \ Using\ cached\ * | \ \ Downloading\ * | \ \ Link\ * | \ \ \ \ * | WARNING:\ Location\ *) ;;
                *) printf '%s%s\n' "$wipe" "$line" >&2 ;;
            esac
        elif (($? > 128)); then # a second has passed, and what was read of a line so far stands in `line`
            part+=$line
        else
            break
        fi
        [[ -z $wipe ]] || printf '%s%.60s, %d s' "$wipe" "$doing" "$SECONDS" >&2
    done
    printf '%s' "$wipe" >&2
}

_main "$@"
