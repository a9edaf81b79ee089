#!/bin/sh
# Starts Redis on every node; the master makes a cluster of them.  From six nodes on each has a replica.
# shellcheck disable=SC1091,SC2154
. "$CODE_DIR/cluster.sh"
exec 9>"$dir/lock"
flock 9
start_redis || exit 1
[ "$MY_IP" = "$MASTER_IP" ] && [ -z "$(seed)" ] || exit 0
members=
n=0
for a in $(addresses); do
    wait_until 60 answers "$a" || { say "no Redis on $a"; exit 1; }
    members="$members $a:$port"
    n=$((n + 1))
done
[ "$n" -ge 3 ] || { say "a cluster needs three nodes, there are $n"; exit 1; }
# shellcheck disable=SC2086
redis-cli --cluster create $members --cluster-replicas $((n >= 6)) --cluster-yes || exit 1
for a in $(addresses); do
    wait_until 30 is_well "$a"
done
