# shellcheck shell=bash disable=SC2154,SC2034
# MediaWiki on php and mysql, from one manifest: a page written through its own form is read while both services change.
# shellcheck source=tests/real/forms.sh
. "$here/forms.sh"
new_user librarian 1000 >/dev/null || give_up "a user"
check "MediaWiki is packed from Debian's package" "$top/examples/mediawiki/pack" --title "The wiki" "$T/mediawiki" || exit 1
began=$SECONDS
check "one file and one command make the application" cps manifest apply "$T/mediawiki/mediawiki.json" || exit 1
note "manifest to running application: $((SECONDS - began)) s"
site=$(url wiki)
site=${site%/}
front=$(target wiki)
jar=$T/mediawiki/jar
holds "installed MediaWiki answers" '<title>The wiki' "$(browse "$site/wiki/Main_Page")"
same "its installer is not there" 404 "$(browse -o /dev/null -w '%{http_code}' "$site/mw-config/index.php")"
holds "its administrator logs in with the password of this wiki" '^302 ' "$(mw_login Admin "$T/mediawiki/admin-password")"
words="Elastic as rubber at $(date +%s)"
holds "a page is written with its form" '^302 .*/wiki/Rubber$' "$(mw_edit Rubber "$words")"
has() { [[ $(page wiki /wiki/Rubber) == *"$words"* ]]; }
check "and read" has
holds "and found" 'searchmatch' "$(page wiki '/index.php?search=rubber&fulltext=1')"

start_readers "$front" "/wiki/Rubber=Elastic as rubber" "/wiki/Main_Page=The wiki"
everywhere() {
    local i
    for i in 1 2 3 4 5 6; do
        has || return 1
    done
}
check "php grows to 3" cps node add wiki --backend 3
check "mysql grows to 3" cps node add database --mysql 2
check "the page is on every backend" everywhere
words="$words, and longer"
holds "a session goes on: the page is written again" '^302 ' "$(mw_edit Rubber "$words")"
check "its new text is on every backend at once" everywhere
settled() { is_state wiki RUNNING && is_state database RUNNING; }
replaced() { settled && ! field '[n["id"] for n in d["nodes"]]' node list "$1" | grep -qw "$victim"; }
victim=$(node_with database mysql glb)
check "a mysql node is destroyed" kill_node "$victim"
check "it is replaced" wait_for 240 replaced database
check "php shrinks to 1" cps node remove wiki --backend 2
check "the page is there" everywhere
jar=$T/mediawiki/other
holds "a visitor writes another" '^302 ' "$(mw_edit Talk:Rubber "Said by a visitor")"
stop_load
same "0 of $requests reads failed meanwhile" 0 "$failed"
cps app stop mediawiki >/dev/null 2>&1
