# shellcheck shell=bash disable=SC2034
# What the scripts here share.  Sourced, never run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PREFIX=${PREFIX:-/usr/local}
sysconf=/etc/conpaas
data=/var/lib/conpaas
logs=/var/log/conpaas
run=/run/conpaas
libdir=$PREFIX/lib/conpaas
export LC_ALL=C.UTF-8
umask 022

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

need_root() {
    [ "$(id -u)" = 0 ] || die "needs root: sudo make ${1:-nutshell}"
}

# step_total=9; step "building"; ...; step_done        ->  [ 3/9] building ... 12 s
step_total=0
step_now=0
step_began=0
step() {
    step_now=$((step_now + 1))
    step_began=$SECONDS
    printf '[%2d/%d] %s ... ' "$step_now" "$step_total" "$*"
}
step_done() {
    printf '%s%d s\n' "${1:+$1, }" $((SECONDS - step_began))
}

# Runs a command with its output in a log file; on failure shows the end of it and dies.
logged() {
    local log=$1
    shift
    mkdir -p "$(dirname "$log")"
    if ! "$@" >"$log" 2>&1 </dev/null; then
        printf 'failed\n'
        tail -n 30 "$log" >&2
        die "$* failed; the whole output is in $log"
    fi
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 when time is up.
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.2
    done
}

has_systemd() { [ -d /run/systemd/system ]; }

# One value of an INI file: ini_get FILE SECTION KEY FALLBACK.
ini_get() {
    local value=
    if [ -f "$1" ]; then
        value=$(awk -v want="[$2]" -v key="$3" '
            /^[[:space:]]*[#;]/ { next }
            /^\[/ { inside = ($0 == want); next }
            inside { split($0, kv, "="); k = kv[1]; gsub(/[[:space:]]/, "", k)
                     if (k == key) { sub(/^[^=]*=[[:space:]]*/, ""); gsub(/^"|"[[:space:]]*$/, ""); print; exit } }' "$1")
    fi
    printf '%s\n' "${value:-$4}"
}

# The user who called sudo (or root) and that user's home.
caller_user() { printf '%s\n' "${SUDO_USER:-root}"; }
caller_home() { getent passwd "$(caller_user)" | cut -d: -f6; }
