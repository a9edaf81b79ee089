#!/bin/sh
# Prepares this node: Redis' configuration.  The node image has Redis.
# shellcheck disable=SC1091,SC2154
. "$CODE_DIR/cluster.sh"
mkdir -p "$dir"
cat >"$dir/redis.conf" <<END
port $port
bind 0.0.0.0
protected-mode no
dir $dir
appendonly yes
cluster-enabled yes
cluster-config-file nodes.conf
cluster-node-timeout 3000
cluster-announce-ip $MY_IP
END
