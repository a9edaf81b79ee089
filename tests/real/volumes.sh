# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Volumes outlive nodes: a database's data is there again after its only node was destroyed and after a stop; limits.
new_user keeper 50 >/dev/null || give_up "a user with 50 credits"
sql() { # NODE STATEMENT
    in_node "$1" "mariadb --socket=/run/conpaas/mysql/mysql.sock -N -e \"$2\""
}
sql_works() { sql "$(node_with db mysql)" "SELECT 1"; }
volumes() { field '"\n".join(sorted("%s %d %s" % (v["name"], v["megabytes"], v["state"]) for v in d["volumes"]))' volume list "$@"; }
all_images() { find "$T/hostd/volumes" -name data.img 2>/dev/null | wc -l; }
others=$(all_images) # of applications that other scripts have left stopped
images() { echo $(($(all_images) - others)); }
one_image() { [ "$(images)" = 1 ]; }
no_image() { [ "$(images)" = 0 ]; }

check "a database is created" cps service create mysql db || exit 1
check "with smaller volumes" cps config set db volume_size=512 || exit 1
check "and starts" cps service start db || exit 1
same "it has a volume of its own, attached" "mysql 512 ATTACHED" "$(volumes db)"
first=$(node_with db mysql)
check "rows are written" sql "$first" "CREATE DATABASE kept; CREATE TABLE kept.t (a INT PRIMARY KEY); INSERT INTO kept.t VALUES (1), (2), (3)"
holds "the data is on the volume" "^/volumes/v[0-9]+/data" "$(sql "$first" 'SELECT @@datadir')"
holds "which is a small part of its size on the disk" "ext4" "$(in_node "$first" 'grep /volumes/ /proc/mounts')"

check "its only node is destroyed" kill_node "$first"
another() {
    local now
    now=$(node_with db mysql 2>/dev/null) && [ -n "$now" ] && [ "$now" != "$first" ] && sql "$now" "SELECT 1"
}
check "another one takes its place" wait_for 240 another || exit 1
second=$(node_with db mysql)
same "with all rows" 3 "$(sql "$second" 'SELECT COUNT(*) FROM kept.t')"
same "on the same volume" 1 "$(images)"
check "which is written to again" sql "$second" "INSERT INTO kept.t VALUES (4)"

check "the service stops" cps service stop db
detached() { [ "$(volumes db)" = "mysql 512 AVAILABLE" ]; }
check "the volume is kept, attached to nothing" wait_for 60 detached
check "the service starts again" cps service start db || exit 1
check "and answers" wait_for 60 sql_works
same "with all rows of before" 4 "$(sql "$(node_with db mysql)" 'SELECT COUNT(*) FROM kept.t')"

check "a node is added" cps node add db --mysql 1
same "it has a volume, too" $'mysql 512 ATTACHED\nmysql 512 ATTACHED' "$(volumes db)"
same "and all rows" 4 "$(sql "$(field 'max(n["id"] for n in d["nodes"])' node list db)" 'SELECT COUNT(*) FROM kept.t')"
check "it is removed" cps node remove db --mysql 1
check "its volume goes with it" wait_for 60 one_image
same "the other one stays" "mysql 512 ATTACHED" "$(volumes db)"

refused "mysql has no volumes of users" 2 'no volumes' cps volume create db mine --size 50
cps service stop db >/dev/null 2>&1
check "the service is deleted" cps service delete db --yes
check "and its volume" wait_for 60 no_image
