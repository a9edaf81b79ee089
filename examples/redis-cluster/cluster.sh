# shellcheck shell=sh disable=SC2034
# What the scripts share.  The nodes of the service stand in $AGENTS_FILE; one of them is the service's master, and
# only that one changes the cluster.
dir=/root/redis-cluster
port=6379

say() { echo "$(date '+%H:%M:%S') $*"; }
addresses() { grep -o '"ip": *"[^"]*"' "$AGENTS_FILE" | cut -d '"' -f 4; }
ask() { # ADDRESS COMMAND...
    _address=$1
    shift
    timeout 5 redis-cli -h "$_address" -p "$port" "$@" 2>/dev/null | tr -d '\r'
}
answers() { [ "$(ask "$1" ping)" = PONG ]; }
is_formed() { ask "$1" cluster info | grep -qE '^cluster_slots_assigned:[1-9]'; }
is_well() { ask "$1" cluster info | grep -q '^cluster_state:ok'; }
# Somebody who is in the cluster already; nothing while there is none.
seed() {
    for _a in $(addresses); do
        if is_formed "$_a"; then
            echo "$_a"
            return
        fi
    done
}
wait_until() { # SECONDS COMMAND...
    _left=$(($1 * 5))
    shift
    until "$@"; do
        _left=$((_left - 1))
        [ "$_left" -gt 0 ] || return 1
        sleep 0.2
    done
}
# A child of this script: what has started it ends it, when the service is interrupted.
start_redis() {
    answers "$MY_IP" || redis-server "$dir/redis.conf" >>"$dir/redis.log" 2>&1 9>&- &
    wait_until 30 answers "$MY_IP"
}
