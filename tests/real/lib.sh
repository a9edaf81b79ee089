# shellcheck shell=bash disable=SC2034,SC2154,SC2001
# The real suite's own installation and its words.  Sourced by tests/real/run and every script beside it.
#
# Nothing is shared with an installation that people use here: own name, ports, bridge, subnet, uids, directories.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${CONPAAS_BUILD:-$top/build/release}
conpaas=$build/src/cli/conpaas
load=$build/tests/real/conpaas-load

# Several runs at once on one machine: each takes the first free place.
take_place() {
    local place
    for place in 0 1 2 3; do
        exec {place_lock}>"/tmp/conpaas-real.lock$place"
        if flock -n "$place_lock"; then
            installation=cpt$place
            bridge=cpt$place
            subnet=10.$((99 + place)).0.0/16
            gateway=10.$((99 + place)).0.1
            user_port=$((19999 - 10 * place))
            node_port=$((19998 - 10 * place))
            git_port=$((19997 - 10 * place))
            uid_base=$((700000000 + 20000000 * place))
            return 0
        fi
        exec {place_lock}>&-
    done
    echo "four runs of the real suite are under way"
    return 1
}
uid_count=16777216
runner=nobody
git_runner=games # any other user of every Debian who owns nothing here
export NO_COLOR=1 LC_ALL=C.UTF-8

# ---- checks ----

# Every check prints one line, "ok N - text" or "not ok N - text"; the details follow as comments.
ok() {
    n=$(($(cat "$T/n" 2>/dev/null || echo 0) + 1))
    echo "$n" >"$T/n"
    printf 'ok %d - %s: %s\n' "$n" "$script" "$*"
}
not_ok() {
    n=$(($(cat "$T/n" 2>/dev/null || echo 0) + 1))
    echo "$n" >"$T/n"
    printf 'not ok %d - %s: %s\n' "$n" "$script" "$*"
}
note() { sed 's/^/#   /' <<<"$*"; }

# check TEXT COMMAND...: the command succeeds.
check() {
    local text=$1 out
    shift
    if out=$("$@" 2>&1); then
        ok "$text"
    else
        not_ok "$text"
        note "$* ended with $?"
        [ -z "$out" ] || note "$(tail -n 15 <<<"$out")"
        return 1
    fi
}

# same TEXT WANTED FOUND
same() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        note "wanted: $2"
        note "found:  $3"
        return 1
    fi
}

# holds TEXT PATTERN FOUND: an extended regular expression matches.
holds() {
    if grep -qE -- "$2" <<<"$3"; then
        ok "$1"
    else
        not_ok "$1"
        note "wanted a line like: $2"
        note "$(tail -n 15 <<<"$3")"
        return 1
    fi
}

# refused TEXT EXIT-CODE PATTERN COMMAND...: it fails with that code and says that.
refused() {
    local text=$1 code=$2 pattern=$3 out got=0
    shift 3
    out=$("$@" 2>&1) || got=$?
    if [ "$got" = "$code" ] && grep -qiE -- "$pattern" <<<"$out"; then
        ok "$text"
    else
        not_ok "$text"
        note "$*"
        note "wanted exit $code and /$pattern/, got exit $got:"
        note "$(tail -n 8 <<<"$out")"
        return 1
    fi
}

# A script that cannot go on.
give_up() {
    not_ok "$*"
    exit 1
}

# wait_for SECONDS COMMAND...
wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.3
    done
}

# ---- the installation ----

hostd_conf() {
    cat <<END
[hostd]
installation = $installation
user = $runner
socket = $T/sock/hostd.sock
state = $T/hostd
run = $T/run
image = $image
programs = $T/programs
log_level = 2

[network]
bridge = $bridge
subnet = $subnet
node_port = $node_port

[nodes]
uid_base = $uid_base
uid_count = $uid_count
END
}

director_conf() {
    cat <<END
[director]
data_dir = $T/director
user = $runner
installation = $installation
listen = 0.0.0.0
port = $user_port
host_names = 127.0.0.1 localhost $gateway
node_listen = $gateway
node_port = $node_port
node_address = $gateway:$node_port
web_dir = $top/web
default_cloud = local
log_file = $T/log/director.log
log_level = debug

[credit]
registration = yes
initial_credit = 50
max_credit = 50

[limits]
logins_per_minute = 1000
registrations_per_hour = 1000

[git]
socket = $T/gitsock/git.sock
user = $git_runner
host = 127.0.0.1
port = $git_port

[cloud local]
driver = local
socket = $T/sock/hostd.sock
END
}

git_conf() {
    cat <<END
[git]
socket = $T/gitsock/git.sock
dir = $T/git
listen = 127.0.0.1
port = $git_port
push_max_mb = 8
repository_max_mb = 64
END
}

helper() { CONPAAS_RUN_DIR=$T/pids CONPAAS_LOG_DIR=$T/log "$top/tools/conpaas-run" "$@"; }
start_hostd() { helper start hostd -- "$build/src/hostd/conpaas-hostd" --config "$T/hostd.conf"; }
start_director() {
    helper start director --user "$runner" -- "$build/src/director/conpaas-director" --config "$T/director.conf"
}
start_git() {
    helper start git --user "$git_runner" -- "$build/src/git/conpaas-git" --config "$T/git.conf"
}
git_answers() { grep -q '^SSH-2.0-' < <(timeout 2 cat <"/dev/tcp/127.0.0.1/$git_port"); }
api_answers() { curl -ksf --max-time 5 "https://127.0.0.1:$user_port/v1/version"; }
# The daemon's own process, not its supervisor.
# The daemon itself, not a process that it has forked.
daemon_pid() { pgrep -o -f "^$build/src/$1/conpaas-$1 --config $T/$1.conf"; }
reader_pid() { pgrep -P "$(daemon_pid director)"; }
director_admin() { "$build/src/director/conpaas-director" --config "$T/director.conf" admin "$@"; }

set_up() {
    image=$("$top/image/build") || return 1
    mkdir -p "$T"/{sock,gitsock,hostd,run,programs,director,git,log,pids,cli,consoles}
    chmod 0755 "$T" "$T/sock"
    chown "$runner" "$T/director" "$T/log" "$T/gitsock"
    chown "$git_runner" "$T/git"
    chmod 0700 "$T/director" "$T/git"
    install -m 0755 "$build/src/agent/conpaas-agent" "$build/src/agent/conpaas-unpack" \
        "$build/src/manager/conpaas-manager" "$T/programs/"
    hostd_conf >"$T/hostd.conf"
    director_conf >"$T/director.conf"
    git_conf >"$T/git.conf"
    chmod 0644 "$T"/*.conf
    "$build/src/hostd/conpaas-hostd" --config "$T/hostd.conf" --down || return 1 # of a run that was killed
    collect_output >/dev/null 2>&1 &
    start_hostd
    wait_for 20 test -S "$T/sock/hostd.sock" || return 1
    start_director
    wait_for 30 api_answers || return 1
    start_git
    wait_for 20 git_answers
}

end_daemons() {
    look_at_managers
    helper stop git
    helper stop director
    helper stop hostd
    keep_consoles
}
# What nodes print, kept when they vanish: a second name of the file.
keep_consoles() {
    local f id
    for f in "$T"/hostd/nodes/*/console.log; do
        id=$(basename "$(dirname "$f")")
        [ -e "$T/consoles/$id" ] || ln "$f" "$T/consoles/$id" 2>/dev/null || true
    done
}
# The manager is a program of its node, with its own file there.
finding='runtime error:|(Address|Leak|UndefinedBehavior|Thread|Memory)Sanitizer'
look_at_managers() {
    local pid
    for pid in $(pids_of '^[^ ]*conpaas-agent'); do
        grep -ahE -A 12 "$finding" "/proc/$pid/root/var/log/conpaas"/manager* >"$T/consoles/manager-$pid.new" 2>/dev/null &&
            mv "$T/consoles/manager-$pid.new" "$T/consoles/manager-$pid"
    done
    rm -f "$T"/consoles/*.new
}
collect_output() {
    while [ -d "$T/consoles" ]; do
        keep_consoles
        look_at_managers
        sleep 1
    done
}
purge() { "$build/src/hostd/conpaas-hostd" --config "$T/hostd.conf" --purge; }

# What sanitizers have said in the output of the daemons (also when they ended), on the nodes' consoles and in the
# managers' files.
findings() {
    grep -aHE -A 12 "$finding" "$T"/log/* "$T"/consoles/* 2>/dev/null | head -n 60
}

# ---- users ----

# A user of its own for every script, so that credits can be counted exactly: new_user NAME CREDIT.  Afterwards `cps`
# speaks as that user; `as NAME COMMAND...` speaks as another.
new_user() {
    local password
    password=$(director_admin create-user "$1" --credit "$2") || return 1
    printf '%s\n' "$password" | CONPAAS_CONFIG=$T/cli/$1.json "$conpaas" login "https://127.0.0.1:$user_port" \
        --username "$1" --ca "$T/director/ca.crt" --yes || return 1
    me=$1
}
as() {
    local who=$1
    shift
    CONPAAS_CONFIG=$T/cli/$who.json timeout 900 "$@"
}
cps() { as "$me" "$conpaas" "$@"; }
# Python expression over the JSON answer d: field EXPRESSION ARGUMENTS...
field() {
    local expression=$1
    shift
    cps "$@" --json | python3 -c 'import json, sys
d = json.load(sys.stdin)
v = eval(sys.argv[1])
print(v if isinstance(v, (str, int, float)) else json.dumps(v, sort_keys=True))' "$expression"
}
# A request made by hand: request METHOD PATH [CURL OPTION...]; prints the status, the body goes to $T/body.
request() {
    local method=$1 path=$2
    shift 2
    curl -sk --max-time 30 -o "$T/body" -w '%{http_code}\n' -X "$method" -H "Authorization: Bearer $(token)" "$@" \
        "https://127.0.0.1:$user_port$path"
}
token() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["token"])' "$T/cli/$me.json"; }

credit() { field 'd["balance"]' credit; }
state() { field 'd["state"]' service show "$1"; }
is_state() { [ "$(state "$1")" = "$2" ]; }
url() { field 'd["url"]' service show "$1"; }
# host:port of a service's first entry point
target() { url "$1" | sed -E 's,^http://,,; s,/.*,,; /:/!s,$,:80,'; }
nodes() { field 'len(d["nodes"])' node list "$1"; }
# "PROXY WEB": roles that people ask nodes for, one line a node, sorted
roles() {
    field '"\n".join(sorted(" ".join(r.upper() for r in n["roles"] if r != "sessions") for n in d["nodes"] if n["status"] == "UP"))' \
        node list "$1"
}
# A script whose first proxy stays sets front=$(target SERVICE) once: asking costs a second each time.
front=
page() { curl -s --max-time 10 "http://${front:-$(target "$1")}${2:-/}"; }

# ---- archives ----

# pack NAME DIRECTORY -> $T/NAME.tar.gz
pack() {
    tar -C "$2" -czf "$T/$1.tar.gz" .
}
# A small application: make_app NAME TEXT.  index.php says TEXT, node and session counter; static.txt says TEXT.
make_app() {
    local dir=$T/app-$1
    mkdir -p "$dir"
    cat >"$dir/index.php" <<END
<?php
session_start();
\$_SESSION['n'] = (\$_SESSION['n'] ?? 0) + 1;
echo "$2 node=", gethostname(), " count=", \$_SESSION['n'], " limit=", ini_get('memory_limit'), " end\n";
END
    cat >"$dir/plain.php" <<END
<?php echo "$2 node=", gethostname(), " end\n";
END
    printf '%s static\n' "$2" >"$dir/static.txt"
    pack "$1" "$dir"
}
# upload SERVICE NAME -> prints the version's name
upload() {
    field 'd["name"]' code upload "$1" "$T/$2.tar.gz"
}

# ---- nodes seen from the host ----

# Processes of our nodes: pids_of PATTERN [NODE-ADDRESS]
pids_of() {
    local pid uid args
    while read -r pid uid args; do
        if [ "$uid" -ge "$uid_base" ] && [ "$uid" -lt $((uid_base + uid_count)) ] && grep -qE -- "$1" <<<"$args"; then
            if [ -z "${2:-}" ] || nsenter -t "$pid" -n ip -4 -o addr show 2>/dev/null | grep -qF " $2/"; then
                printf '%s\n' "$pid"
            fi
        fi
    done < <(ps -eo pid=,uid=,args=)
}
address_of() { field 'd["address"]' node show "$1"; }
# First node of a service that has a role and not another: node_with SERVICE ROLE [WITHOUT]
node_with() {
    field "[n['id'] for n in d['nodes'] if '$2' in n['roles'] and '${3:-none}' not in n['roles'] and n['status'] == 'UP'][0]" \
        node list "$1"
}
in_node() { # NODE SHELL-COMMAND: as its root
    local pid
    pid=$(pids_of 'conpaas-agent' "$(address_of "$1")" | head -n 1)
    [ -n "$pid" ] && nsenter -t "$pid" -U -m -n -p -S 0 -G 0 -- sh -c "$2"
}
kill_node() { # NODE: its first process dies, and with it all others
    local pid
    pid=$(pids_of 'conpaas-agent' "$(address_of "$1")" | head -n 1)
    [ -n "$pid" ] && kill -KILL "$pid"
}

# ---- load ----

# start_load TARGETS MARK [OPTION...]: background visitors of index.php, plain.php and static.txt.
start_load() {
    local t marks=$2
    local -a options=()
    for t in $1; do
        options+=(--target "$t")
    done
    shift 2
    "$load" "${options[@]}" --path "/plain.php=$marks" --path "/static.txt=$marks" --path "/index.php=$marks" \
        --seconds 1500 "$@" >"$T/load.out" 2>"$T/load.err" &
    load_pid=$!
}
# stop_load -> $requests $failed, and the failures as notes
stop_load() {
    kill -TERM "$load_pid" 2>/dev/null
    wait "$load_pid"
    local line
    line=$(head -n 1 "$T/load.out")
    requests=$(sed -nE 's/^requests ([0-9]+) .*/\1/p' <<<"$line")
    failed=$(sed -nE 's/.* failed ([0-9]+) .*/\1/p' <<<"$line")
    requests=${requests:-0}
    failed=${failed:-none}
    note "$line"
    [ ! -s "$T/load.err" ] || note "$(cat "$T/load.err")"
}
