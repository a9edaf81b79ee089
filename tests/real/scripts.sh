# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# The generic service: five scripts, each when and where it shall run; then a cluster of Redis that grows and outlives
# the loss of a node.
new_user scripter 1000 >/dev/null || give_up "a user"
node_of() { node_with "$1" "$2" "${3:-none}"; }
ids() { field '" ".join(str(n["id"]) for n in d["nodes"] if n["status"] == "UP")' node list "$1"; }
status_of() { # SERVICE NODE SCRIPT
    field "[s['status'] for s in d['scripts'] if s['node'] == $2 and s['script'] == '$3.sh'][0]" script status "$1"
}
is_status() { [ "$(status_of "$1" "$2" "$3")" = "$4" ]; }
times() { in_node "$1" "grep -c ' $2.sh' /root/generic.out || true"; } # NODE SCRIPT

check "a generic service is created" cps service create generic jobs || exit 1
check "it starts" cps service start jobs || exit 1
master=$(node_of jobs master)
same "init has run once on the master" 1 "$(times "$master" init)"
refused "nothing to interrupt" 6 'nothing to interrupt' cps script interrupt jobs
check "a node is added" cps node add jobs --count 1 || exit 1
node=$(node_of jobs node)
notified=$(times "$master" notify)
same "init has run once on it" 1 "$(times "$node" init)"
check "another one" cps node add jobs --node 1
same "notify has run once more on the others" "$((notified + 1))" "$(times "$master" notify)"
same "init not again" "1 1" "$(times "$master" init) $(times "$node" init)"
check "run, with parameters" cps script run jobs --parameters 'alpha  "beta" *'
check "it has ended" wait_for 30 is_status jobs "$node" run 'STOPPED (return code 0)'
report=$(in_node "$node" 'tail -n 3 /root/generic.out')
holds "it gets its parameters as they are" 'run\.sh alpha "beta" \*$' "$report"
holds "it knows itself, its role and the master" \
    "my IP: $(address_of "$node")  my role: node  master IP: $(address_of "$master")$" "$report"
same "and all agents" "$(ids jobs | wc -w)" "$(in_node "$node" 'grep -o "\"ip\"" /var/cache/cpsagent/agents.json' | wc -l)"
same "the master is marked" "True" "$(field "[n['is_master'] for n in d['nodes'] if n['id'] == $master][0]" node list jobs)"
refused "the master stays" 2 'at least one|not enough' cps node remove jobs --master 1

# A program that lasts: its own archive, without execute bits.
mkdir -p "$T/app-long"
cat >"$T/app-long/run.sh" <<'END'
#!/bin/bash
[[ ${1:-} != fail ]] || { echo "it fails" >&2; exit 3; }
sleep 1000 &
echo "colour $COLOUR"
[[ ${1:-} != leave ]] || exit 0
wait
END
printf '#!/bin/sh\necho stopping\nsleep "${1:-0}"\n' >"$T/app-long/interrupt.sh"
pack long "$T/app-long"
check "a variable of the service" cps env set jobs COLOUR=red
check "another version is activated" cps code enable jobs "$(upload jobs long)" || exit 1
same "a script that is not there has ended well" 'STOPPED (return code 0)' "$(status_of jobs "$node" init)"
check "it is run" cps script run jobs
check "it goes on" wait_for 20 is_status jobs "$node" run RUNNING
refused "not twice" 6 'scripts still running somewhere, wait or interrupt first' cps script run jobs
refused "no cleanup meanwhile" 6 'scripts still running somewhere' cps script cleanup jobs
refused "no other code meanwhile" 6 'scripts still running somewhere' cps code enable jobs code-default
holds "what it prints is a log of the node" '^colour red$' "$(cps log jobs --node "$node" --name agent.out)"
check "it is interrupted" cps script interrupt jobs
check "and has ended" wait_for 20 is_status jobs "$node" run 'STOPPED (return code 143)'
none_sleeps() { [ -z "$(pids_of '^sleep 1000' "$(address_of "$node")")" ]; }
check "with all that it had started" wait_for 20 none_sleeps
check "run leaves a program behind" cps script run jobs -p leave
check "its script has ended" wait_for 20 is_status jobs "$node" run 'STOPPED (return code 0)'
same "the program has not" 1 "$(pids_of '^sleep 1000' "$(address_of "$node")" | wc -l)"
check "interrupt, which takes long" cps script interrupt jobs --parameters 500
check "it is at it" wait_for 20 is_status jobs "$node" interrupt RUNNING
same "the program goes on until then" 1 "$(pids_of '^sleep 1000' "$(address_of "$node")" | wc -l)"
check "once more" cps script interrupt jobs
check "everything is killed at once" wait_for 20 none_sleeps
check "the script too" wait_for 20 none_sleeps
check "a script that fails" cps script run jobs -p fail
check "its code is told" wait_for 20 is_status jobs "$node" run 'STOPPED (return code 3)'
holds "its errors are a log" '^it fails$' "$(cps log jobs --node "$node" --name agent.err)"
check "a program is left again" cps script run jobs -p leave
check "by a script that has ended" wait_for 20 is_status jobs "$node" run 'STOPPED (return code 0)'
check "the first version is current again" cps code enable jobs code-default
check "what the other left is ended" wait_for 30 none_sleeps
same "init of it never runs twice" 1 "$(times "$node" init)"
broken() { mkdir -p "$T/app-broken"; printf 'exit 7\n' >"$T/app-broken/init.sh"; pack broken "$T/app-broken"; }
broken
refused "a version whose init fails is not activated" 1 'init' cps code enable jobs "$(upload jobs broken)"
same "the one before stays" code-default "$(field 'd["code_name"]' service show jobs)"
check "it stops" cps service stop jobs

# ---- a real program: Redis Cluster ----
pack redis "$top/examples/redis-cluster"
cps service create generic store --app jobs >/dev/null || give_up "a second service"
cps code enable store "$(upload store redis)" >/dev/null || give_up "its code"
check "a service for Redis starts" cps service start store || exit 1
check "with three nodes" cps node add store --node 2 || exit 1
check "the program is run" cps script run store
master=$(node_of store master)
redis() { in_node "$master" "redis-cli -c -h $(address_of "$master") $1"; }
cluster() { in_node "$master" "redis-cli cluster $1" | tr -d '\r'; }
well() { cluster info | grep -q '^cluster_state:ok'; }
size() { cluster nodes | grep -cE "${1:-.}"; }
is_size() { [ "$(size "$1")" = "$2" ]; }
check "the cluster forms" wait_for 90 is_status store "$master" run 'STOPPED (return code 0)' || note "$(cps log store --node "$master" --name script-run.log)"
written=200
write() { in_node "$master" "for i in \$(seq $written); do redis-cli -c set key\$i value\$i; done | grep -c OK"; }
read_all() { in_node "$master" "for i in \$(seq $written); do redis-cli -c get key\$i; done | grep -c ^value"; }
same "it takes data" "$written" "$(write)"
check "it grows to six nodes" cps node add store --node 3
check "the new ones are replicas" wait_for 60 is_size ' slave .*connected' 3
reached() { timeout 3 bash -c "exec 3<>/dev/tcp/$(address_of "$master")/6379" 2>/dev/null; }
closed() { ! reached; }
check "nobody else reaches it" closed
check "until the port is opened" cps config set store open_ports=6379
check "then everybody does" wait_for 10 reached

victim=$(field "[n['id'] for n in d['nodes'] if n['address'] in '$(cluster nodes | grep ' master ' | grep -v myself | tail -n 1)' and n['address']][0]" node list store)
lost=$(address_of "$victim")
check "a node that holds data is lost" kill_node "$victim"
three_own() { [ "$(cluster nodes | grep -v "$lost" | grep -cE ' connected [0-9]')" = 3 ]; }
check "a replica takes over" wait_for 60 three_own
check "the cluster is whole" wait_for 30 well
same "what was written before is read" "$written" "$(read_all)"
replaced() { [ "$(ids store | wc -w)" = 6 ] && ! ids store | grep -qw "$victim"; }
check "the platform replaces the node" wait_for 240 replaced
check "the new one is a replica" wait_for 120 is_size ' slave .*connected' 3
check "the lost one is forgotten" wait_for 60 is_size "$lost" 0
check "the service is RUNNING" wait_for 60 is_state store RUNNING
same "nothing is lost" "$written" "$(read_all)"
check "the program is interrupted" cps script interrupt store
no_redis() { [ -z "$(pids_of 'redis-server' "$(address_of "$master")")" ]; }
check "no Redis is left" wait_for 20 no_redis
