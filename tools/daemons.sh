# shellcheck shell=bash disable=SC2154
# Starting and stopping the daemons: systemd where it runs, conpaas-run elsewhere.  Sourced after lib.sh.

daemon_start() { # hostd|director|git
    if has_systemd; then
        systemctl enable --quiet "conpaas-$1"
        systemctl start "conpaas-$1"
    elif [ "$1" = director ]; then
        install -d -m 0755 -o conpaas -g conpaas "$(dirname "$(ini_get "$sysconf/director.conf" git socket /run/conpaas-director/git.sock)")"
        "$libdir/conpaas-run" start director --user conpaas -- "$libdir/conpaas-director" --config "$sysconf/director.conf"
    elif [ "$1" = git ]; then
        "$libdir/conpaas-run" start git --user conpaas-git -- "$libdir/conpaas-git" --config "$sysconf/git.conf"
    else
        "$libdir/conpaas-run" start hostd -- "$libdir/conpaas-hostd" --config "$sysconf/hostd.conf"
    fi
}

# Works also when the programs are only half installed.
daemon_stop() {
    if has_systemd; then
        systemctl disable --quiet --now "conpaas-$1" 2>/dev/null || true
    elif [ -x "$libdir/conpaas-run" ]; then
        "$libdir/conpaas-run" stop "$1"
    else
        "$root/tools/conpaas-run" stop "$1"
    fi
}

daemon_log() {
    if has_systemd; then
        journalctl -u "conpaas-$1" -n 30 --no-pager
    else
        tail -n 30 "$logs/$1.out" 2>/dev/null || true
    fi
}
