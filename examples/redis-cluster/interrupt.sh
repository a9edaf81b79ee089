#!/bin/sh
# Stops Redis with all data on disk.
# shellcheck disable=SC1091,SC2154
. "$CODE_DIR/cluster.sh"
ask "$MY_IP" shutdown save
