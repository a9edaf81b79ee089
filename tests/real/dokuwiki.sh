# shellcheck shell=bash disable=SC2154,SC2034
# An application that nobody here wrote: DokuWiki, from the files of Debian's packages.
new_user writer 100 >/dev/null || give_up "a user"
mkdir -p "$T/doku"
check "DokuWiki is packed from Debian's packages" "$top/examples/dokuwiki/pack" "$T/doku" "$T/dokuwiki.tar.gz" || exit 1
check "a service is created" cps service create php wiki || exit 1
check "and started" cps service start wiki || exit 1
version=$(upload wiki dokuwiki)
holds "the archive is accepted as a version" '^code-[a-z0-9]+$' "$version" || exit 1
same "uploading does not activate it" False "$(field 'any(v["current"] for v in d["versions"] if v["name"] == "'"$version"'")' code list wiki)"
check "it is enabled" cps code enable wiki "$version" || exit 1
check "web and backend get nodes of their own" cps node add wiki --web 1 --backend 1

home=$(page wiki '/doku.php?id=start')
holds "its start page is rendered" 'This wiki is served by <strong>ConPaaS</strong>' "$home"
holds "with its title" '<title>start \[ConPaaS wiki\]</title>' "$home"
holds "the directory's index is DokuWiki" 'ConPaaS wiki' "$(curl -sL --max-time 10 "$(url wiki)")"
holds "its style sheet is made by a script" '[.]dokuwiki' "$(page wiki '/lib/exe/css.php?t=dokuwiki')"
same "its logo is the file of the package" "$(sha256sum <"$T/doku/tree/lib/tpl/dokuwiki/images/logo.png")" \
    "$(page wiki /lib/tpl/dokuwiki/images/logo.png | sha256sum)"
sum=$(curl -s --max-time 20 -o /dev/null -w '%{http_code} %{content_type}' "$(url wiki)lib/tpl/dokuwiki/images/logo.png")
holds "with status and type" '^200 image/png' "$sum"

# Who answered? The nodes' own access logs say.
web=$(node_with wiki web)
backend=$(node_with wiki backend)
logs_have() { cps log wiki --node "$1" --name "$2" --lines 200 | grep -qF -- "$3"; }
check "the web node's log has the logo" wait_for 20 logs_have "$web" web-access.log '/lib/tpl/dokuwiki/images/logo.png'
check "the backend node's log has the page" wait_for 20 logs_have "$backend" backend-access.log '/doku.php'
if logs_have "$web" web-access.log '/doku.php'; then not_ok "the web node saw no script"; else ok "the web node saw no script"; fi
if logs_have "$backend" backend-access.log 'logo.png'; then not_ok "the backend saw no picture"; else ok "the backend saw no picture"; fi

# A page is written and read again.
jar=$T/doku/jar
base=$(url wiki)
form=$(curl -s -c "$jar" --max-time 10 "${base}doku.php?id=notes&do=edit")
sectok=$(sed -nE 's/.*name="sectok" value="([^"]*)".*/\1/p' <<<"$form" | head -n 1)
curl -s -b "$jar" -c "$jar" --max-time 10 -o /dev/null --data-urlencode "sectok=$sectok" --data-urlencode 'id=notes' \
    --data-urlencode 'wikitext=Elastic as **rubber**.' --data 'do[save]=1' "${base}doku.php?id=notes"
holds "a page can be written and is shown" 'Elastic as <strong>rubber</strong>' "$(page wiki '/doku.php?id=notes')"
check "the wiki is terminated" cps service stop wiki
cps service delete wiki --yes >/dev/null 2>&1
