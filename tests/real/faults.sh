# shellcheck shell=bash disable=SC2154,SC2034
# Things break under load: a php-fpm master, a whole backend node, a manager's node.
new_user unlucky 1000 >/dev/null || give_up "a user"
make_app first "VERSION-A"
check "a service is created" cps service create php shop || exit 1
cps service start shop >/dev/null || give_up "it starts"
a=$(upload shop first)
cps code enable shop "$a" >/dev/null || give_up "the version is enabled"
check "with one web and two backend nodes" cps node add shop --web 1 --backend 2 || exit 1

clients=8
front=$(target shop)
survives() { # TEXT: at most the requests in flight on the broken part failed
    stop_load
    if [ "$failed" != none ] && [ "$failed" -le $clients ] && [ "$requests" -gt 100 ]; then
        ok "$1: $failed of $requests requests failed, at most $clients were in flight"
    else
        not_ok "$1: $failed of $requests requests failed"
    fi
}
start_load "$front" VERSION-A --keep 4 --new 4 --pause-ms 25
sleep 2
victim=$(node_with shop backend)
master=$(pids_of 'php-fpm: master' "$(address_of "$victim")" | head -n 1)
check "the php-fpm master of a backend is killed" kill -KILL "$master"
back() { [ -n "$(pids_of 'php-fpm: master' "$(address_of "$victim")")" ]; }
check "it is started again" wait_for 30 back
sleep 3
survives "a php-fpm master dies"

start_load "$front" VERSION-A --keep 4 --new 4 --pause-ms 25
sleep 2
victim=$(node_with shop backend)
check "a whole backend node is destroyed" kill_node "$victim"
replaced() {
    [ "$(field "len([n for n in d['nodes'] if 'backend' in n['roles'] and n['status'] == 'UP' and n['id'] != $victim])" \
        node list shop)" = 2 ]
}
check "it is replaced" wait_for 180 replaced
check "the service is RUNNING again" wait_for 120 is_state shop RUNNING
survives "a backend node dies"
holds "the history says of this node that it is gone" "^node $victim (is gone|leaves)" \
    "$(field '"\n".join(h["text"] for h in d["history"])' history shop)"

start_load "$front" VERSION-A --keep 4 --new 4 --pause-ms 25
manager=$(field '[n["id"] for n in d["nodes"] if n["kind"] == "manager" and n["status"] == "UP"][0]' node list)
check "the manager's node is destroyed" kill_node "$manager"
new_manager() {
    [ "$(field "len([n for n in d['nodes'] if n['kind'] == 'manager' and n['status'] == 'UP' and n['id'] != $manager])" \
        node list)" = 1 ]
}
check "the director makes another" wait_for 180 new_manager
check "which carries on: a change arrives" cps node remove shop --backend 1
survives "the manager's node dies"

# A program that ends again and again: its library is gone, say. The agent tries with pauses and says why.
victim=$(node_with shop backend)
health() { field "[n['health']['backend'] for n in d['nodes'] if n['id'] == $victim][0]" node list shop; }
broken_php() {
    in_node "$victim" 'mv /usr/sbin/php-fpm8.2 /usr/sbin/php-fpm8.2.away &&
        printf "#!/bin/sh\necho the library is gone >&2\nexit 3\n" >/usr/sbin/php-fpm8.2 && chmod 0755 /usr/sbin/php-fpm8.2' &&
        kill -KILL "$(pids_of 'php-fpm: master' "$(address_of "$victim")" | head -n 1)"
}
check "php-fpm cannot start any more" broken_php
loops() { health | grep -qE '"state": "bad", "why": ".*ends again and again: exit 3.*the library is gone'; }
check "the node is unhealthy, and says which program ends again and again, and why" wait_for 60 loops || note "$(health)"
holds "visitors are told so" '^50[23]$' "$(curl -s --max-time 10 -o /dev/null -w '%{http_code}' "http://$front/plain.php")"
check "the cause is taken away" in_node "$victim" 'mv /usr/sbin/php-fpm8.2.away /usr/sbin/php-fpm8.2'
heals() { health | grep -qE '"state": "ok", "why": null'; }
check "the same node is well again" wait_for 60 heals || note "$(health)"
holds "and serves" VERSION-A "$(page shop /plain.php)"
cps service stop shop >/dev/null 2>&1
cps service delete shop --yes >/dev/null 2>&1
