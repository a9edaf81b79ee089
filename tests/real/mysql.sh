# shellcheck shell=bash disable=SC2154,SC2034
# A database that grows, shrinks, loses a node and changes its settings under a load of writes: every transaction that
# was acknowledged is there afterwards, and none failed that its client tried twice.
new_user dba 1000 >/dev/null || give_up "a user"
check "a service is created" cps service create mysql db || exit 1
check "it starts" cps service start db || exit 1
first=$(node_with db mysql)
root_sql() { in_node "$1" "mariadb --socket=/run/conpaas/mysql/mysql.sock --batch --skip-column-names --execute=\"$2\""; }
check "root comes in through the socket of a node" root_sql "$first" "CREATE DATABASE shop; CREATE TABLE shop.t (id INT PRIMARY KEY, node VARCHAR(64)); CREATE TABLE shop.pair (id INT, half INT, PRIMARY KEY (id, half))" || exit 1
set_password() { printf '%s\n' "$1" | cps service password db; }
check "its user gets a password" set_password "pass'word \\ 1" || exit 1
same "its address names the port" "mysql://$(address_of "$first"):3307/" "$(url db)"

# Entry points as "HOST PORT" lines in a file: clients look there before every connection.
entries() {
    field '"\n".join(n["address"] for n in d["nodes"] if "glb" in n["roles"] and n["status"] == "UP")' node list db >"$T/entries.new" &&
        [ -s "$T/entries.new" ] && mv "$T/entries.new" "$T/entries"
}
entries || give_up "the address"
client() { # STATEMENTS: through a random entry point
    timeout 30 env MYSQL_PWD="pass'word \\ 1" mariadb --no-defaults --connect-timeout=10 --batch --skip-column-names --host="$(shuf -n 1 "$T/entries")" \
        --port=3307 --user=mysqldb shop --execute="$1" 2>>"$T/client.err"
}
# writer TABLE NAME STATEMENT: until $T/stop is there. A transaction that failed is tried once again; one that had
# been committed without its client knowing says so then (the key is there already).
writer() {
    local id=$2 sql n=0
    while [ ! -e "$T/stop" ]; do
        id=$((id + 1))
        sql=${3//ID/$id}
        n=$((n + 1))
        if client "$sql" >/dev/null; then
            echo "$id" >>"$T/acknowledged.$1"
        elif client "$sql" >/dev/null || [ "$(client "SELECT COUNT(*) FROM $1 WHERE id = $id")" -ge 1 ]; then
            echo "$id" >>"$T/acknowledged.$1"
            echo "$id" >>"$T/again"
        else
            echo "$1 $id at $(date +%T), after $(written): $(tail -n 3 "$T/client.err" | tr '\n' '|')" >>"$T/failed"
        fi
    done
}
rm -f "$T"/stop "$T"/again "$T"/failed "$T"/acknowledged.*
: >"$T/again"
: >"$T/failed"
writer t 0 "INSERT INTO t VALUES (ID, @@wsrep_node_name)" &
writers=$!
writer t 1000000 "INSERT INTO t VALUES (ID, @@wsrep_node_name)" &
writers="$writers $!"
writer pair 0 "BEGIN; INSERT INTO pair VALUES (ID, 1); DO SLEEP(0.3); INSERT INTO pair VALUES (ID, 2); COMMIT" &
writers="$writers $!"
written() { cat "$T"/acknowledged.* 2>/dev/null | wc -l; }
goes_on() { # TEXT: writes go on
    local before
    before=$(written)
    # shellcheck disable=SC2016
    check "$1: writes go on" wait_for 20 eval '[ "$(written)" -gt '"$((before + 5))"' ]'
}
size() { root_sql "$1" "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = 'wsrep_cluster_size'"; }
goes_on "one node"

begun=$SECONDS
check "two more database nodes" cps node add db --mysql 2
note "1 -> 3 database nodes took $((SECONDS - begun)) s"
same "the cluster has three members" 3 "$(size "$first")"
goes_on "three nodes"
check "a balancer of its own" cps node add db --glb 1
entries
goes_on "a balancer"

lost=$(field "[n['id'] for n in d['nodes'] if 'mysql' in n['roles']][-1]" node list db)
begun=$SECONDS
kill_node "$lost"
replaced() { [ "$(field "[n['id'] for n in d['nodes'] if 'mysql' in n['roles'] and n['status'] == 'UP' and n['id'] != $lost].__len__()" node list db)" = 3 ] && is_state db RUNNING; }
check "a killed database node is replaced" wait_for 120 replaced
note "replaced after $((SECONDS - begun)) s"
first=$(node_with db mysql)
same "the cluster has three members again" 3 "$(size "$first")"
goes_on "a node was lost"

begun=$SECONDS
check "a setting that restarts node by node" cps config set db performance_schema=On
note "took $((SECONDS - begun)) s"
goes_on "settings"
begun=$SECONDS
check "a database node less" cps node remove db --mysql 1
note "3 -> 2 database nodes took $((SECONDS - begun)) s"
goes_on "two nodes"

touch "$T/stop"
# shellcheck disable=SC2086
wait $writers
note "$(written) transactions, $(wc -l <"$T/again") of them at the second try"
same "no transaction failed twice" "" "$(cat "$T/failed")"
first=$(node_with db mysql)
for table in t pair; do
    root_sql "$first" "SET wsrep_sync_wait = 1; SELECT DISTINCT id FROM shop.$table" | sort >"$T/present"
    same "no acknowledged row of table $table is lost" 0 "$(sort -u "$T/acknowledged.$table" | comm -23 - "$T/present" | wc -l)"
done
same "no half of a transaction is there" 0 "$(root_sql "$first" "SELECT COUNT(*) FROM (SELECT id FROM shop.pair GROUP BY id HAVING COUNT(*) <> 2) x")"
note "$(root_sql "$first" "SELECT node, COUNT(*) FROM shop.t GROUP BY node" | tr '\n\t' '; ')"
check "it stops" cps service stop db
check "it is deleted" cps service delete db --yes
