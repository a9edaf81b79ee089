# shellcheck shell=bash disable=SC2154,SC2034
# An application that people bring: WordPress on php and mysql, from one manifest; what was written through its own
# forms is read while both services grow, shrink and lose nodes.
# shellcheck source=tests/real/forms.sh
. "$here/forms.sh"
new_user blogger 1000 >/dev/null || give_up "a user"
check "WordPress is packed from Debian's packages" "$top/examples/wordpress/pack" --title "The blog" "$T/wordpress" || exit 1
began=$SECONDS
check "one file and one command make the application" cps manifest apply "$T/wordpress/wordpress.json" || exit 1
note "manifest to running application: $((SECONDS - began)) s"
site=$(url blog)
site=${site%/}
front=$(target blog)
jar=$T/wordpress/jar
holds "installed WordPress answers" '<title>The blog' "$(page blog /)"
holds "its installer has nothing to do" 'already installed' "$(page blog /wp-admin/install.php)"
again=$(cps manifest plan "$T/wordpress/wordpress.json" --json)
same "the same file changes nothing more" 0 "$(member 'len([c for c in d["changes"]])' <<<"$again")"

holds "its administrator logs in with the password of this site" '^302 .*/wp-admin/$' "$(wp_login admin "$T/wordpress/admin-password")"
words="Written through its own form at $(date +%s)"
post=$(wp_publish "Rubber" "$words")
holds "a post is published with its editor" '^20[0-9]{2}/' "$post"
python3 - "$T/picture.png" <<'PICTURE'
import struct, sys, zlib
w, h = 900, 700
rows = b"".join(b"\0" + bytes(x * y * 3 + c * 70 & 255 for x in range(w) for c in range(3)) for y in range(h))
chunk = lambda t, d: struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) +
                              chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))
PICTURE
picture=$(wp_upload "$T/picture.png")
sum=$(sha256sum <"$T/picture.png")
same "a picture is uploaded" "$sum" "$(page blog "/$picture" | sha256sum)"

# Readers of the front page and of the post, who never stop.
start_readers "$front" "/=The blog" "/$post=$words"
mysql_nodes() { field 'sum("mysql" in n["roles"] and n["status"] == "UP" for n in d["nodes"])' node list database; }
settled() { is_state blog RUNNING && is_state database RUNNING; }
everywhere() { # backends in turn: post and picture are there whoever answers
    local i got
    for i in 1 2 3 4 5 6 7 8; do
        got=$(page blog "/$post")
        [[ $got == *"$words"* ]] || { echo "request $i: the post is: ${got:0:300}"; return 1; }
        got=$(page blog "/$picture" | sha256sum)
        [ "$got" = "$sum" ] || { echo "request $i: the picture is: $(curl -sI --max-time 10 "$site/$picture")"; return 1; }
    done
}
check "php grows from 1 to 4" cps node add blog --backend 4
check "the post and the picture are on every backend" everywhere
check "mysql grows from 1 to 3" cps node add database --mysql 2
check "the post and the picture are there" everywhere
holds "a visitor's remark is taken" '^302 ' "$(wp_comment "$post" "A remark made meanwhile")"
replaced() { settled && ! field '[n["id"] for n in d["nodes"]]' node list "$1" | grep -qw "$victim"; }
victim=$(node_with blog backend)
check "a php node is destroyed" kill_node "$victim"
check "it is replaced" wait_for 180 replaced blog
victim=$(node_with database mysql glb)
check "a mysql node is destroyed" kill_node "$victim"
check "it is replaced" wait_for 240 replaced database
same "three database nodes are up" 3 "$(mysql_nodes)"
if [ -z "${CONPAAS_CHECK_LONG:-}" ]; then
    check "the post and the picture are there" everywhere
    stop_load
    same "0 of $requests reads failed meanwhile" 0 "$failed"
    cps app stop wordpress >/dev/null 2>&1
    exit 0
fi
check "php shrinks to 2" cps node remove blog --backend 2
check "mysql shrinks to 2" cps node remove database --mysql 1
check "the post and the picture are there" everywhere
holds "and the remark" 'A remark made meanwhile' "$(page blog "/$post")"
second=$(wp_publish "Again" "$words, and again")
holds "one more post is published" '^20[0-9]{2}/' "$second"
stop_load
same "0 of $requests reads failed meanwhile" 0 "$failed"

# One of two is no majority: the other may not answer until it is known that nobody else can, then it goes on alone.
victim=$(node_with database mysql glb)
check "one of two mysql nodes is destroyed" kill_node "$victim"
check "it is replaced" wait_for 120 replaced database
check "the post and the picture come back by themselves" wait_for 120 everywhere || note "$(cps node list database --json)"
cps app stop wordpress >/dev/null 2>&1
