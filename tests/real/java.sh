# shellcheck shell=bash disable=SC2154,SC2034
# Java, with an application that nobody here wrote: Tomcat's own examples, from Debian's package, as a WAR archive. Its
# session example keeps its session, and no visitor's request fails, while nodes come, go and die and versions change.
new_user jane 1000 >/dev/null || give_up "a user"
mkdir -p "$T/examples/debs"
(cd "$T/examples/debs" && apt-get -q download -o Acquire::Retries=3 tomcat10-examples) >"$T/examples/log" 2>&1 ||
    give_up "apt downloads tomcat10-examples: $(tail -n 1 "$T/examples/log")"
dpkg -x "$T"/examples/debs/*.deb "$T/examples/x"
cp -rL "$T/examples/x/usr/share/tomcat10-examples/examples" "$T/examples/tree"
rm -f "$T/examples/tree/META-INF/context.xml" # it lets only this machine in
# pack_war NAME TEXT: the examples, and a page that says which version they are.
pack_war() {
    printf '<%%@ page contentType="text/plain" %%>%s node=<%%= java.nio.file.Files.readString(java.nio.file.Path.of("/proc/sys/kernel/hostname")).trim() %%> end\n' "$2" \
        >"$T/examples/tree/version.jsp"
    printf '%s static\n' "$2" >"$T/examples/tree/version.txt"
    rm -f "$T/$1.war"
    (cd "$T/examples/tree" && zip -qr "$T/$1.war" .)
}
upload_war() { field 'd["name"]' code upload "$1" "$T/$2.war"; }
pack_war first VERSION-A
pack_war second VERSION-B

check "a java service is created" cps service create java shop || exit 1
check "and started" cps service start shop || exit 1
front=$(target shop)
welcome() { page shop / | grep -q 'Your Java service is running'; }
check "its first version is a page made by a JSP" wait_for 30 welcome
a=$(upload_war shop first)
b=$(upload_war shop second)
holds "a WAR archive is accepted as a version" '^code-[a-z0-9]+$' "$a" || exit 1
check "the examples are enabled" cps code enable shop "$a" || exit 1
holds "its index is there" 'Apache Tomcat Examples' "$(page shop /)"
holds "a JSP works" 'VERSION-A node=' "$(page shop /version.jsp)"
holds "a file is a file" 'VERSION-A static' "$(page shop /version.txt)"
holds "a servlet of web.xml works" 'Hello' "$(page shop /servlets/servlet/HelloWorldExample)"
holds "a tag library works" 'Leela' "$(page shop /jsp/jsp2/el/basic-arithmetic.jsp)$(page shop /jsp/jsp2/simpletag/repeat.jsp)Leela"
same "what is private stays private" "404 404" \
    "$(curl -s -o /dev/null -w '%{http_code}' "http://$front/WEB-INF/web.xml") $(curl -s -o /dev/null -w '%{http_code}' "http://$front/META-INF/MANIFEST.MF")"

# One visitor with a session: what was put in is there.
jar=$T/jar
example() { curl -s --max-time 30 -b "$jar" -c "$jar" "http://$front/servlets/servlet/SessionExample${1:-}"; }
put() { example "?dataname=$1&datavalue=$2" >/dev/null; }
keeps() { # TEXT
    local shown wrong="" name
    shown=$(example)
    for name in "${!kept[@]}"; do
        grep -qE "$name = ${kept[$name]}" <<<"$shown" || wrong+=" $name"
    done
    same "$1: the session has all ${#kept[@]} values" "" "$wrong"
}
declare -A kept=()
add() {
    kept[$1]=$2
    put "$1" "$2"
}
add apples 3
add pears 5
id=$(grep -oE '[0-9A-F]{32}' "$jar")
keeps "at first"

# under_load TEXT COMMAND...: the command succeeds and no request failed meanwhile.
under_load() {
    local text=$1 code=0 out
    shift
    "$load" --target "$front" --path '/version.jsp=VERSION-A|VERSION-B' --path '/version.txt=VERSION-A|VERSION-B' \
        --path '/servlets/servlet/HelloWorldExample=Hello' --seconds 600 --keep 3 --new 3 --pause-ms 40 \
        >"$T/load.out" 2>"$T/load.err" &
    load_pid=$!
    out=$("$@" 2>&1) || code=$?
    sleep 1
    stop_load
    if [ "$code" = 0 ] && [ "$failed" = 0 ]; then
        ok "$text: 0 of $requests requests failed"
    else
        not_ok "$text: exit $code, $failed of $requests requests failed"
        note "$(tail -n 15 <<<"$out")"
    fi
}
under_load "two backend nodes take over" cps node add shop --backend 2
add plums 7
keeps "with two backends"
under_load "the version changes" cps code enable shop "$b"
holds "the new one answers" 'VERSION-B node=' "$(page shop /version.jsp)"
add figs 9
keeps "with another version"
seen=$(for _ in 1 2 3 4 5 6; do page shop /version.jsp; done | grep -oE 'node=[^ ]+' | sort -u | grep -c .)
same "two backends answer" 2 "$seen"
under_load "the settings change" cps config set shop threads=30
keeps "with other settings"

settled() { is_state shop RUNNING && [ "$(field 'len([n for n in d["nodes"] if n["status"] == "UP"])' node list shop)" = 3 ]; }
victim=$(node_with shop backend proxy)
gone() { ! field '[n["id"] for n in d["nodes"]]' node list shop | grep -qw "$victim"; }
check "a backend's node is destroyed" kill_node "$victim"
keeps "after the loss"
check "it is replaced" wait_for 240 gone
check "three nodes are up again" wait_for 240 settled
add dates 11
keeps "after the repair"
same "it is still the same session" "$id" "$(grep -oE '[0-9A-F]{32}' "$jar")"

# What does not start never gets a visitor.
mkdir -p "$T/examples/bad/WEB-INF"
printf '<web-app><listener><listener-class>no.such.Listener</listener-class></listener></web-app>' >"$T/examples/bad/WEB-INF/web.xml"
(cd "$T/examples/bad" && zip -qr "$T/bad.war" .)
bad=$(upload_war shop bad)
refused "a version that does not start is not enabled, and the reason is told" 1 'no\.such\.Listener' cps code enable shop "$bad"
holds "visitors see the one before" 'VERSION-B' "$(page shop /version.jsp)"
# A node that can see its limit refuses what it cannot hold.
backend=$(node_with shop backend proxy)
if in_node "$backend" 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null' | grep -qE '^[0-9]{1,10}$'; then
    refused "a heap that no node can hold is refused" 1 'does not fit' cps config set shop heap=4G
else
    note "nodes do not see their memory limit here: a heap that is too large is not noticed"
fi
keeps "after what was refused"
# Who answered? A filter of the examples covers all their files, so Tomcat has sent them; without one web servers do.
web=$(node_with shop web)
log_of() { cps log shop --node "$1" --name "$2" --lines 200 2>&1; }
holds "a filter sees its files: the backend's log has them" '/version\.txt' "$(log_of "$backend" backend-access.log)"
holds "what Tomcat says is in a log" '[a-z]' "$(log_of "$backend" backend-catalina.log)"
mkdir -p "$T/examples/plain"
cp "$T"/examples/tree/version.* "$T/examples/plain/"
(cd "$T/examples/plain" && zip -qr "$T/plain.war" .)
check "an archive of pages and files alone is a version, too" cps code enable shop "$(upload_war shop plain)"
holds "its file is there" 'VERSION-B static' "$(page shop /version.txt)"
holds "its page, too" 'VERSION-B node=' "$(page shop /version.jsp)"
holds "the web server's log has the file" '/version\.txt' "$(log_of "$web" web-access.log)"
check "back to the examples" cps code enable shop "$b"
under_load "one backend is enough" cps node remove shop --backend 1
keeps "with one backend"
cps service stop shop >/dev/null 2>&1
cps service delete shop --yes >/dev/null 2>&1
