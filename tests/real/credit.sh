# shellcheck shell=bash disable=SC2154,SC2034
# Out of credit: the service stops and says why, the balance stays at 0.  An hour cannot be awaited here: the nodes' age is
# changed in the director's database while it is down.
new_user pauper 2 >/dev/null || give_up "a user with 2 credits"
check "a service is created" cps service create php shop || exit 1
check "and starts" cps service start shop || exit 1
same "both credits are used" 0 "$(credit)"
holds "the welcome page is served" "Welcome" "$(page shop)"
app=$(field 'd["app"]' service show shop)

# Minutes before the end of the first hour, when the next is due.
age_nodes() {
    python3 - "$T/director/director.db" "$app" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
with db:
    aged = db.execute("UPDATE nodes SET created_ms = created_ms - 56 * 60000 WHERE app = ? AND status = 'UP'", (sys.argv[2],))
assert aged.rowcount == 2, aged.rowcount
db.close()
END
}
older() {
    helper stop director
    age_nodes || return 1
    start_director
    wait_for 30 api_answers
}
check "its nodes are almost an hour old" older || exit 1
: >"$T/balances"
stopped() {
    credit >>"$T/balances"
    is_state shop STOPPED
}
check "the service stops" wait_for 240 stopped
same "it has no node left" 0 "$(nodes shop)"
history=$(field '"\n".join(h["text"] for h in d["history"])' history shop)
holds "the history says that there is no credit" '^(out of credit|stopped: no credit)$' "$history"
all_gone() {
    credit >>"$T/balances"
    [ "$(field 'len(d["nodes"])' node list)" = 0 ]
}
check "the manager's node goes too" wait_for 360 all_gone
same "the balance was 0 all the time" 0 "$(sort -u "$T/balances")"
refused "it does not start without credit" 7 'credit' cps service start shop
same "nothing was charged for the try" 0 "$(credit)"
check "with new credit" director_admin grant pauper 5
check "it starts again" cps service start shop
holds "and serves" "Welcome" "$(page shop)"
same "for the two nodes that it has" 3 "$(credit)"
cps service stop shop >/dev/null 2>&1
cps service delete shop --yes >/dev/null 2>&1
