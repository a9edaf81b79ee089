# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# What a service is given beside its code: environment variables.
new_user wired 1000 >/dev/null || give_up "a user"
mkdir -p "$T/app-env"
cat >"$T/app-env/index.php" <<'END'
<?php
foreach (explode(' ', $_GET['v'] ?? 'COLOUR') as $n) {
    echo $n, '=[', getenv($n) === false ? 'none' : getenv($n), "] ", ($_ENV[$n] ?? 'none') === (getenv($n) ?: 'none') ? '' : 'DIFFERS ';
}
echo "end\n";
END
printf '%s' '<?php echo "end";' >"$T/app-env/plain.php"
echo end >"$T/app-env/static.txt"
pack env "$T/app-env"
check "a service is created with a variable and started" cps service create php shop || exit 1
check "a variable may be set before the start" cps env set shop COLOUR=red
check "it starts" cps service start shop || exit 1
cps code enable shop "$(upload shop env)" >/dev/null || give_up "its code"
front=$(target shop)
holds "its code sees the variable from the start" 'COLOUR=\[red\] end' "$(page shop)"
check "several backends" cps node add shop --web 1 --backend 2 || exit 1

start_load "$front" end --keep 4 --new 4 --pause-ms 25
colours() {
    local c
    for c in green white black; do
        cps env set shop COLOUR=$c || return 1
    done
    cps env set shop COLOUR=blue 'MOTTO=a "b" $HOME; c'
}
check "variables change four times under load" colours
stop_load
same "0 of $requests requests failed meanwhile" 0 "$failed"
everywhere() { # PATTERN: six requests, two backends
    local i
    for i in 1 2 3 4 5 6; do
        page shop '/?v=COLOUR+MOTTO' | grep -qF -- "$1" || return 1
    done
}
check "they are in force on every backend, with any text" everywhere 'COLOUR=[blue] MOTTO=[a "b" $HOME; c] end'
check "a variable is taken away" cps env unset shop MOTTO
check "on every backend" everywhere 'COLOUR=[blue] MOTTO=[none] end'
same "the list shows what there is" '[["COLOUR", "blue", "user"]]' \
    "$(field '[[v["name"], v["value"], v["origin"]] for v in d["variables"]]' env list shop)"
refused "a name that the platform sets" 2 'PATH is set by the platform' cps env set shop PATH=/tmp
refused "a name that is none" 2 'not the name of a variable' cps env set shop 9A=1

# Secrets: in the environment of the code, and nowhere else.
hidden_is() { # VALUE: on every backend
    local i
    for i in 1 2 3 4 5 6; do
        page shop '/?v=API_KEY' | grep -qF -- "API_KEY=[$1] end" || return 1
    done
}
nodes_do_not_log() {
    local pid
    for pid in $(pids_of '^[^ ]*conpaas-agent'); do
        ! grep -rqaF -- "$1" "/proc/$pid/root/var/log" || return 1
    done
}
secret=hush-$RANDOM$RANDOM$RANDOM
set_secret() { printf '%s\n' "$secret" | cps secret set shop API_KEY; }
check "a secret is set, read from standard input" set_secret
check "the code finds it on every backend" hidden_is "$secret"
same "the list of secrets has its name" '["API_KEY"]' "$(field '[v["name"] for v in d["secrets"]]' secret list shop)"
same "the list of variables does not show it" null \
    "$(field '[v["value"] for v in d["variables"] if v["name"] == "API_KEY"][0]' env list shop)"
not_in() { ! grep -rqaF -- "$secret" "$@"; }
check "the director's files and all logs do not have it" not_in "$T/director" "$T/log" "$T/consoles"
check "no log of a node has it" nodes_do_not_log "$secret"
check "it is taken away" cps secret remove shop API_KEY
check "on every backend" hidden_is none
