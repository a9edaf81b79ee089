# shellcheck shell=bash disable=SC2154,SC2034
# The deck's walk-through with its exact credits: create, start, grow, the deck's client, stop, start, terminate.
new_user walker 9999 >/dev/null || give_up "a user with 9999 credits"
same "a new account has 9999 credits" 9999 "$(credit)"

check "a php service is created" cps service create php shop || exit 1
same "the manager's node costs one: 9998" 9998 "$(credit)"
same "it is in state INIT" INIT "$(state shop)"
check "it starts" cps service start shop || { note "$(cps log shop --lines 40)"; exit 1; }
same "the first node costs one: 9997" 9997 "$(credit)"
same "it is RUNNING" RUNNING "$(state shop)"
same "one node has all three roles" "PROXY WEB BACKEND" "$(roles shop)"
holds "the welcome page is served" "Welcome" "$(page shop)"

address=$(field 'd["address"]' service show shop)
deck() { as walker "$(dirname "$conpaas")/cpsclient.web" "$address" "$@"; }
[ -e "$(dirname "$conpaas")/cpsclient.web" ] || ln -s conpaas "$(dirname "$conpaas")/cpsclient.web"
list=$(deck list_nodes)
holds "cpsclient.web list_nodes has its columns" '^Service Node +Role\(s\)' "$list"
holds "and shows PROXY WEB BACKEND" 'PROXY WEB BACKEND *$' "$list"
holds "cpsclient.web help lists the actions" 'update_java_configuration' "$(deck help)"
holds "cpsclient.web get_service_info says the state" 'RUNNING' "$(deck get_service_info)"

check "cpsclient.web add_nodes -w 1 -b 2" deck add_nodes -w 1 -b 2
check "it is RUNNING again" wait_for 180 is_state shop RUNNING
same "three more nodes cost three: 9994" 9994 "$(credit)"
same "the nodes are PROXY, WEB, BACKEND, BACKEND" $'BACKEND\nBACKEND\nPROXY\nWEB' "$(roles shop)"
list=$(deck list_nodes)
holds "list_nodes shows a WEB node" '[^A-Z]WEB *$' "$list"
same "list_nodes shows two BACKEND nodes" 2 "$(grep -cE '[^A-Z]BACKEND *$' <<<"$list")"
holds "the page is still served" "Welcome" "$(page shop)"
log=$(cps log shop --lines 300)
holds "the manager's log has the state with counts" 'STATE ADAPTING: .*proxy=0, web=1, backend=2' "$log"
holds "and the timer of the new nodes" "RTIMER Creating timer for \['" "$log"
holds "and says when all are ready" 'All nodes are ready' "$log"

check "it stops" cps service stop shop
same "it is STOPPED" STOPPED "$(state shop)"
same "it has no node left" 0 "$(nodes shop)"
same "only the manager remains" 1 "$(field 'len(d["nodes"])' node list)"
check "it starts again" cps service start shop
same "in its former shape" $'BACKEND\nBACKEND\nPROXY\nWEB' "$(roles shop)"
same "for four more credits: 9990" 9990 "$(credit)"

# Step 5: +2 web from one packed node.
check "a second service starts in the same application" cps service create php two --app shop
check "and starts" cps service start two
check "+2 web nodes from one packed node" cps node add two --web 2
same "the packed node keeps proxy and backend, two nodes are web" $'PROXY BACKEND\nWEB\nWEB' "$(roles two)"
same "three nodes for three credits: 9987" 9987 "$(credit)"
check "the second service stops" cps service stop two

history=$(cps history shop)
holds "the history tells what was asked for" 'start|run' "$history"
holds "and what state it is in" 'RUNNING' "$history"
check "the service stops" cps service stop shop
check "it is terminated" cps service delete shop --yes
check "and the second one" cps service delete two --yes
cps app delete shop --yes >/dev/null 2>&1
nothing() { [ "$(field 'len(d["nodes"])' node list)" = 0 ] && [ "$(field 'len(d["services"])' service list)" = 0 ]; }
check "nothing remains" wait_for 60 nothing
same "no container of it runs" 0 "$(pids_of conpaas-agent | wc -l)"
