# shellcheck shell=bash disable=SC2154,SC2034
# Everything changes under load, no visitor notices: 0 failed requests.
new_user busy 1000 >/dev/null || give_up "a user"
make_app first "VERSION-A"
make_app second "VERSION-B"
check "a service is created and started" cps service create php shop || exit 1
cps service start shop >/dev/null || give_up "it starts"
a=$(upload shop first)
b=$(upload shop second)
check "the first version is enabled" cps code enable shop "$a" || exit 1
marks='VERSION-A|VERSION-B'
front=$(target shop)

# under_load TEXT COMMAND...: the command succeeds and no request failed meanwhile.
under_load() {
    local text=$1 code=0 out
    shift
    start_load "$front" "$marks" --keep 4 --new 4 --pause-ms 25
    sleep 1
    out=$("$@" 2>&1) || code=$?
    sleep 2
    stop_load
    if [ "$code" = 0 ] && [ "$failed" = 0 ]; then
        ok "$text: 0 of $requests requests failed"
    else
        not_ok "$text: exit $code, $failed of $requests requests failed"
        note "$(tail -n 15 <<<"$out")"
    fi
}
# Ten seconds of requests, as the proxies count them.
seen_by_performance() {
    [ "$(field 'd["request_rate"] > 5 and d["throughput"] > 100 and d["response_time"] > 0' service performance shop)" = True ]
}
start_load "$front" "$marks" --keep 4 --new 4 --pause-ms 25
check "the figures of the service show the visitors" wait_for 40 seen_by_performance
stop_load
under_load "web and backend move to nodes of their own" cps node add shop --web 1 --backend 1
under_load "a web node is added" cps node add shop --web 1
under_load "a backend node is added" cps node add shop --backend 1
under_load "a web node is removed" cps node remove shop --web 1
under_load "a backend node is removed" cps node remove shop --backend 1

# Visitors of the second proxy's own address, from when it is there until it is to go; the code changes meanwhile.
visit_second() {
    local line code=0 visitors
    "$load" --target "$1" --path "/plain.php=$marks" --path "/static.txt=$marks" --path "/index.php=$marks" \
        --seconds 300 --keep 4 --new 4 --pause-ms 25 >"$T/second.out" 2>&1 &
    visitors=$!
    { cps code enable shop "$b" && cps code enable shop "$a"; } || code=$?
    sleep 2
    kill -TERM "$visitors"
    wait "$visitors"
    line=$(grep -E '^requests' "$T/second.out")
    printf '%s\n' "$line" >"$T/second"
    echo "second proxy: $(cat "$T/second.out")"
    [ "$code" = 0 ] && grep -qE '^requests [1-9][0-9]{2,} .*failed 0 ' <<<"$line"
}
proxies() {
    cps node add shop --proxy 1 || return 1
    local second
    second=$(address_of "$(field 'sorted(n["id"] for n in d["nodes"] if "proxy" in n["roles"])[-1]' node list shop)")
    [ "$second:80" != "$front" ] || return 1
    visit_second "$second:80" || return 1
    cps node remove shop --proxy 1
}
under_load "a second proxy comes and goes, visited itself while it is there" proxies
note "second proxy: $(cat "$T/second" 2>/dev/null)"
under_load "settings change" cps config set shop memory_limit=200M
holds "and are in force" 'limit=200M' "$(page shop /index.php)"

switch() {
    local i
    for i in 1 2 3 4 5 6 7 8 9 10; do
        cps code enable shop "$b" || return 1
        page shop /plain.php | grep -q VERSION-B || { echo "round $i: not B"; return 1; }
        page shop /static.txt | grep -q VERSION-B || { echo "round $i: static is not B"; return 1; }
        cps code enable shop "$a" || return 1
        page shop /plain.php | grep -q VERSION-A || { echo "round $i: not A"; return 1; }
    done
}
under_load "two versions are switched 20 times" switch

mkdir -p "$T/app-broken"
printf '<?php\nthis is no PHP at all (\n' >"$T/app-broken/index.php"
pack broken "$T/app-broken"
bad=$(upload shop broken)
broken() {
    local out
    if out=$(cps code enable shop "$bad" 2>&1); then
        echo "it was accepted"
        return 1
    fi
    echo "$out"
    page shop /plain.php | grep -q VERSION-A
}
under_load "a broken version is refused" broken
evidence=$(field '[o["why"] for o in d["operations"] if o["state"] == "FAILED"][0]' operation list)
holds "with the evidence of the probe" 'probe|trial|500|syntax|parse' "$evidence"
same "the old version stays active" "$a" "$(field '[v["name"] for v in d["versions"] if v["current"]][0]' code list shop)"

kill_manager() {
    local pid
    pid=$(pids_of '^[^ ]*conpaas-manager' | head -n 1)
    [ -n "$pid" ] && kill -KILL "$pid"
    cps node add shop --web 1
}
under_load "the manager process is killed, a change still arrives" kill_manager

kill_director() {
    local pid
    pid=$(daemon_pid director)
    [ -n "$pid" ] && kill -KILL "$pid"
    sleep 5
    wait_for 30 api_answers || return 1
    cps node remove shop --web 1
}
under_load "the director is killed and restarted, a change still arrives" kill_director
kill_reader() {
    kill -KILL "$(reader_pid)"
    cps code upload shop "$T/first.tar.gz" >/dev/null 2>&1 # it may be this one that finds out
    wait_for 30 api_answers && wait_for 30 upload_works
}
upload_works() { cps code upload shop "$T/first.tar.gz"; }
under_load "the reader of archives is killed, uploads work again" kill_reader
under_load "all is packed on one node again" cps node remove shop --web 1 --backend 1
same "one node has all roles" "PROXY WEB BACKEND" "$(roles shop)"
cps service stop shop >/dev/null 2>&1
cps service delete shop --yes >/dev/null 2>&1
