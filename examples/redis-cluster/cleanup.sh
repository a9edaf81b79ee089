#!/bin/sh
# Removes all data; `run` makes a new cluster.
# shellcheck disable=SC1091,SC2154
. "$CODE_DIR/cluster.sh"
rm -rf "$dir"/nodes.conf "$dir"/appendonlydir "$dir"/dump.rdb
