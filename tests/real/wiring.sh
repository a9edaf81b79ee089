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

# References: shop asks prices, a service of the same application, through the relay on its own nodes.
mkdir -p "$T/app-ask" "$T/app-answer"
cat >"$T/app-answer/index.php" <<'END'
<?php echo "price from ", gethostname(), "\n";
END
cat >"$T/app-ask/index.php" <<'END'
<?php
$c = @fsockopen(getenv('PRICES_HOST') ?: '', (int)getenv('PRICES_PORT'), $code, $why, 5);
$text = '';
if ($c) {
    fwrite($c, "GET / HTTP/1.0\r\nHost: prices\r\n\r\n");
    $text = stream_get_contents($c);
}
echo strpos($text, 'price from') !== false ? 'PRICE-OK ' . trim(strrchr($text, ' ')) : 'PRICE-MISSING', " end\n";
END
printf '%s' '<?php echo "PRICE-OK end";' >"$T/app-ask/plain.php"
echo 'PRICE-OK end' >"$T/app-ask/static.txt"
pack answer "$T/app-answer"
pack ask "$T/app-ask"
app=$(field 'd["app_name"]' service show shop)
check "a second service of the application" cps service create php prices --app "$app" || exit 1
check "the first refers to it" cps service link shop prices --as PRICES
refused "a circle" 2 'in a circle' cps service link prices shop
refused "the same name for another one" 2 'circle|reference' cps service link shop shop --as PRICES
cps service create php other >/dev/null || give_up "a service of another application"
refused "a service of another application" 2 'its own application' cps service link shop other
check "the other application is removed again" cps service delete other --yes --no-wait
refused "who is referred to is not deleted" 6 'shop \(as PRICES\)' cps service delete prices --yes
check "what is referred to starts" cps service start prices || exit 1
cps code enable prices "$(upload prices answer)" >/dev/null || give_up "its code"
cps code enable shop "$(upload shop ask)" >/dev/null || give_up "code that asks it"
asks() { page shop / | grep -q 'PRICE-OK '; }
check "the code of the first reaches the second" wait_for 20 asks
same "the list of variables shows the reference" '["PRICES_HOST", "PRICES_PORT", "PRICES_URL"]' \
    "$(field 'sorted(v["name"] for v in d["variables"] if v["origin"] == "PRICES")' env list shop)"
start_load "$front" 'PRICE-OK' --keep 4 --new 4 --pause-ms 25
check "the second grows to nodes of its own" cps node add prices --web 1 --backend 1
check "it gets a second proxy" cps node add prices --proxy 1
check "the proxy goes again" cps node remove prices --proxy 1
check "settings of the second change" cps config set prices memory_limit=100M
stop_load
same "0 of $requests requests failed meanwhile" 0 "$failed"
refused "who is referred to is not stopped" 6 'shop \(as PRICES\)' cps service stop prices
check "unless it has to" cps service stop prices --force
holds "the first answers on" 'PRICE-MISSING end' "$(page shop /)"
check "the second comes back" cps service start prices
check "the first finds its new nodes" wait_for 20 asks
check "everything stops, who refers first" cps service stop shop
check "then what was referred to" cps service stop prices
refused "a start needs what it refers to" 6 'it refers to prices, which is STOPPED' cps service start shop
cps service start prices --no-wait >/dev/null || give_up "the start of prices"
check "a start waits for what it refers to" cps service start shop
same "which is there by then" RUNNING "$(state prices)"
front=$(target shop)
check "and is reached at once" asks
check "the reference is taken away" cps service unlink shop PRICES
holds "its variables are gone" 'PRICE-MISSING end' "$(page shop /)"
