# shellcheck shell=bash disable=SC2154,SC2034
# What people do with ready-made applications, with curl in place of a browser.  Sourced by wordpress.sh and
# mediawiki.sh, which set $site (http://ADDRESS without a slash) and $jar (cookies).
#
# Nothing is asked that a browser would not ask: forms are read first, with their hidden fields, then sent.

browse() { curl -s --max-time 60 -b "$jar" -c "$jar" -H 'Accept: text/html,*/*' "$@"; }
# hidden NAME: value of a field of the page on standard input
hidden() { grep -oE "<input[^>]*name=['\"]$1['\"][^>]*>" | sed -nE "s/.*value=['\"]([^'\"]*)['\"].*/\1/p" | head -n 1; }
# The member of a JSON answer on standard input: a Python expression over d.
member() { python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# start_readers HOST:PORT /PATH=MARK...: they ask until stop_load, which says how many answers were not 200 with the mark.
start_readers() {
    local at=$1 p
    local -a options=()
    shift
    for p in "$@"; do
        options+=(--path "$p")
    done
    "$load" --target "$at" "${options[@]}" --keep 1 --new 1 --pause-ms 200 --seconds 1500 >"$T/load.out" 2>"$T/load.err" &
    load_pid=$!
}

# ---- WordPress ----

wp_login() { # USER PASSWORD-FILE
    browse "$site/wp-login.php" -o /dev/null
    browse "$site/wp-login.php" -o /dev/null -w '%{http_code} %{redirect_url}\n' --data-urlencode "log=$1" \
        --data-urlencode "pwd@$2" --data-urlencode "redirect_to=$site/wp-admin/" -d 'testcookie=1&wp-submit=Log+In'
}
# The page of the editor holds the key with which it talks to the site: wp_editor -> "ID KEY"
wp_editor() {
    browse "$site/wp-admin/post-new.php" | python3 -c 'import re, sys
t = sys.stdin.read()
i = re.search(r"id=.post_ID. name=.post_ID. value=.(\d+)", t) or re.search(r"name=.post_ID.[^>]*value=.(\d+)", t)
k = re.search(r"createNonceMiddleware\( \"([0-9a-f]+)\"", t)
print(i.group(1), k.group(1)) if i and k else sys.exit("no editor: " + t[:300])'
}
wp_publish() { # TITLE TEXT -> its address below the site
    local id key
    read -r id key < <(wp_editor)
    [ -n "$key" ] || return 1
    python3 -c 'import json, sys
print(json.dumps({"id": int(sys.argv[1]), "title": sys.argv[2], "status": "publish",
    "content": "<!-- wp:paragraph -->\n<p>%s</p>\n<!-- /wp:paragraph -->" % sys.argv[3]}))' "$id" "$1" "$2" |
        browse "$site/wp-json/wp/v2/posts/$id?_locale=user" -H 'Content-Type: application/json' -H "X-WP-Nonce: $key" \
            -H 'X-HTTP-Method-Override: PUT' --data-binary @- | member 'd["link"].split("/", 3)[3]'
}
wp_upload() { # FILE -> its address below the site
    local id key
    read -r id key < <(wp_editor)
    browse "$site/wp-json/wp/v2/media" -H "X-WP-Nonce: $key" -F "file=@$1" | member 'd["source_url"].split("/", 3)[3]'
}
wp_comment() { # ADDRESS-OF-POST TEXT: as a visitor that is logged in
    local id
    id=$(browse "$site/$1" | hidden comment_post_ID)
    browse "$site/wp-comments-post.php" -o /dev/null -w '%{http_code} %{redirect_url}\n' --data-urlencode "comment=$2" \
        -d "comment_post_ID=$id" -d comment_parent=0
}

# ---- MediaWiki ----

mw_login() { # USER PASSWORD-FILE
    local token
    token=$(browse "$site/index.php?title=Special:UserLogin" | hidden wpLoginToken)
    browse "$site/index.php?title=Special:UserLogin" -o /dev/null -w '%{http_code} %{redirect_url}\n' \
        --data-urlencode "wpName=$1" --data-urlencode "wpPassword@$2" --data-urlencode "wpLoginToken=$token" \
        -d 'authAction=login&wploginattempt=Log+in'
}
mw_edit() { # TITLE TEXT: writes the page with its edit form; "302 ADDRESS" when it was taken
    local form
    local -a fields=()
    local name
    form=$(browse "$site/index.php?title=$1&action=edit")
    for name in wpEditToken wpStarttime wpEdittime editRevId model format wpUltimateParam wpAutoSummary oldid parentRevId wpUnicodeCheck; do
        fields+=(--data-urlencode "$name=$(hidden "$name" <<<"$form" | sed 's/&quot;/"/g; s/&#39;/'"'"'/g; s/&amp;/\&/g')")
    done
    browse "$site/index.php?title=$1&action=submit" -o /dev/null -w '%{http_code} %{redirect_url}\n' "${fields[@]}" \
        --data-urlencode "wpTextbox1=$2" -d 'wpSave=Save+page&wpSummary='
}
