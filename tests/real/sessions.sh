# shellcheck shell=bash disable=SC2154,SC2034
# Sessions are shared by all backends: the visitor's counter goes on whatever happens to the nodes.
new_user visitor 1000 >/dev/null || give_up "a user"
make_app first "VERSION-A"
check "a service is created" cps service create php shop || exit 1
cps service start shop >/dev/null || give_up "it starts"
a=$(upload shop first)
cps code enable shop "$a" >/dev/null || give_up "the version is enabled"
jar=$T/session-jar
front=$(target shop)
# One name for all proxies: a visitor's cookie belongs to the name.
get() { curl -s --max-time 10 -b "$jar" -c "$jar" --connect-to "shop.example:80:$front" http://shop.example/index.php; }
visit() { get | sed -nE 's/.* count=([0-9]+) .*/\1/p'; }
# goes_on TEXT: the next visit counts on from the last.
last=0
goes_on() {
    local now
    now=$(visit)
    same "$1" $((last + 1)) "${now:-none}"
    last=${now:-0}
}
# After a fault: within 15 s a visit counts on (a visit that was not answered may have counted). The end of a container
# is seen within 2 s; the rest is the move of the primary.
goes_on_soon() {
    local now deadline=$((SECONDS + 15))
    now=$(visit)
    while [ -z "$now" ] && [ "$SECONDS" -lt "$deadline" ]; do
        sleep 0.5
        now=$(visit)
    done
    if [ "${now:-0}" -gt "$last" ]; then
        ok "$1 ($last, then $now)"
    else
        not_ok "$1 ($last, then ${now:-no answer})"
    fi
    last=${now:-0}
}
goes_on "the first visit"
goes_on "the second visit"
check "two backend nodes take over" cps node add shop --backend 2
goes_on "the counter goes on after the move"
seen=""
for _ in 1 2 3 4 5 6 7 8; do
    seen+=$(get | sed -nE 's/.*node=([^ ]*) .*/\1/p')$'\n'
    last=$((last + 1))
done
same "two backends answered" 2 "$(sort -u <<<"$seen" | grep -c .)"
goes_on "both see one counter"
check "a backend is added" cps node add shop --backend 1
goes_on "the counter goes on"
check "a backend is removed" cps node remove shop --backend 1
goes_on "the counter goes on"

holders() { field '[n["id"] for n in d["nodes"] if "sessions" in n["roles"] and n["status"] == "UP"]' node list shop; }
two_holders() { [ "$(field 'len([n for n in d["nodes"] if "sessions" in n["roles"] and n["status"] == "UP"])' node list shop)" = 2 ]; }
check "two nodes hold the sessions" wait_for 60 two_holders
note "holders: $(holders)"
settled() { is_state shop RUNNING && two_holders; }
gone() { ! field '[n["id"] for n in d["nodes"]]' node list shop | grep -qw "$victim"; }
# What the host helper kept of it (disk, address) is given back too; its record there names the node.
given_back() { ! grep -qs -- "-n$victim\"" "$T"/hostd/nodes/*/record.json; }
for round in 1 2; do
    victim=$(node_with shop sessions proxy 2>/dev/null)
    if [ -z "$victim" ]; then
        not_ok "round $round: a node with sessions and without proxy"
        continue
    fi
    check "round $round: a node that holds sessions is destroyed" kill_node "$victim"
    goes_on_soon "round $round: the counter goes on"
    check "round $round: it is replaced" wait_for 180 gone
    check "round $round: nothing of it is kept" wait_for 30 given_back
    check "round $round: two nodes hold the sessions again" wait_for 180 settled
    goes_on_soon "round $round: the counter still goes on"
done

# The first node: proxy, and as a rule the primary of the sessions. A second proxy carries on.
check "a second proxy comes, web gets a node" cps node add shop --web 1 --proxy 1
first=$(field 'sorted(n["id"] for n in d["nodes"] if "proxy" in n["roles"])[0]' node list shop)
second=$(field 'sorted(n["id"] for n in d["nodes"] if "proxy" in n["roles"])[-1]' node list shop)
check "two nodes hold the sessions" wait_for 60 settled
front=$(address_of "$second"):80
goes_on "the counter goes on through the second proxy"
check "the first proxy's node is destroyed" kill_node "$first"
goes_on_soon "the counter goes on"
victim=$first
check "it is replaced" wait_for 180 gone
check "two nodes hold the sessions again" wait_for 180 settled
goes_on_soon "the counter still goes on"
cps service stop shop >/dev/null 2>&1
cps service delete shop --yes >/dev/null 2>&1
