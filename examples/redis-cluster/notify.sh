#!/bin/sh
# Nodes have come or left.  A new one starts its Redis; the master takes new ones in as replicas, each of the one that
# has the fewest, and makes all forget those that are gone.
# shellcheck disable=SC1091,SC2154
. "$CODE_DIR/cluster.sh"
# The nodes that have left the service, as `cluster nodes` says: id, address, ..., from the ninth word on what they own.
lost() {
    ask "$seed" cluster nodes | while read -r line; do
        # shellcheck disable=SC2086
        set -- $line
        addresses | grep -qxF "${2%%:*}" || echo "$line"
    done
}
lost_own_nothing() { ! lost | grep -qE '(connected) [0-9]'; }
seed=$(seed)
[ -n "$seed" ] || exit 0 # it does not run yet
exec 9>"$dir/lock"
flock 9
start_redis || exit 1
[ "$MY_IP" = "$MASTER_IP" ] || exit 0
# A replica takes the place of a lost master; until then nobody may forget that one.
wait_until 60 lost_own_nothing || say "the cluster has lost a part of the data"
for a in $(addresses); do
    wait_until 60 answers "$a" || { say "no Redis on $a"; continue; }
    if ! is_formed "$a"; then
        say "$a joins"
        redis-cli --cluster add-node "$a:$port" "$seed:$port" --cluster-slave
        wait_until 30 is_formed "$a"
    fi
done
lost | while read -r id address _; do
    say "$address is forgotten"
    for a in $(addresses); do
        ask "$a" cluster forget "$id" >/dev/null
    done
done
