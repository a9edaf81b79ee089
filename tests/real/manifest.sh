# shellcheck shell=bash
# A manifest: plan, apply, apply again, change, download, a killed director, refused addresses.
# shellcheck disable=SC2154,SC2317

new_user mani 60 >/dev/null || give_up "a user"
mkdir -p "$T/mani"
make_app front "front of the shop"
make_app api "interface of the shop"
cp "$T/front.tar.gz" "$T/api.tar.gz" "$T/mani/"

cat >"$T/mani/shop.json" <<'END'
{
  "Application": "bookshop",
  "Services": [
    {
      "Type": "php",
      "ServiceName": "front",
      "Archive": "file:front.tar.gz",
      "StartupInstances": { "proxy": 1, "web": 0, "backend": 0 },
      "Environment": { "COLOUR": "red" }
    },
    {
      "Type": "php",
      "ServiceName": "api",
      "Archive": "file:api.tar.gz",
      "Settings": { "memory_limit": "200M" }
    }
  ]
}
END
manifest=$T/mani/shop.json

# ---- what is wrong with a text ----

cat >"$T/mani/bad.json" <<'END'
{
  "Application": "bookshop",
  "Services": [
    { "Type": "phpp", "ServiceName": "front" },
    { "Type": "php", "StartupInstances": { "backend": 99, "webb": 1 },
      "Settings": { "memory_limt": "1M", "log_errors": "maybe" },
      "Sart": 0 }
  ]
}
END
bad=$(cps manifest validate "$T/mani/bad.json" 2>&1)
same "a bad manifest's problems come all at once" 6 "$(grep -c '^/' <<<"$bad")"
holds "... with line and column" "bad.json:4:15: there is no service type" "$bad"
holds "... and what was meant" "did you mean memory_limit" "$bad"
refused "a bad manifest is not applied" 2 "6 problems" cps manifest apply "$T/mani/bad.json"
same "... and no application is made" 0 "$(field 'len(d["apps"])' app list)"

# ---- plan and apply ----

same "a plan makes nothing" "4 3000" \
    "$(field '"%d %d" % (len([c for c in d["changes"] if c["step"] == "make_service" or c["step"] == "start"]), d["millicredits_per_hour_then"])' manifest plan "$manifest")"
same "... not even the application" 0 "$(field 'len(d["apps"])' app list)"
check "an application of two services comes from one file" cps manifest apply "$manifest" || give_up "no application"
holds "its first service answers" "front of the shop" "$(page front)"
holds "its second service answers" "interface of the shop .* limit=200M" "$(page api)"
versions=$(field 'len(d["versions"])' code list front)

# ---- again ----

holds "a plan of the same says that nothing changes" "nothing changes" "$(cps manifest plan "$manifest" 2>&1)"
check "applying it again is fine" cps manifest apply "$manifest"
same "... and makes no version" "$versions" "$(field 'len(d["versions"])' code list front)"
same "... and its job has done nothing" 0 "$(field 'len(d["jobs"][0]["steps"])' manifest list)"

# ---- an edited file ----

sed -i -e 's/"web": 0, "backend": 0/"web": 1, "backend": 1/' -e 's/200M/220M/' "$manifest"
start_load "$(target front) $(target api)" "the shop"
check "counts and settings change with the file" cps manifest apply "$manifest"
stop_load
same "... without a failed request" 0 "$failed"
same "... nodes" "BACKEND PROXY WEB" "$(tr '\n' ' ' <<<"$(roles front)" | sed 's/ $//')"
holds "... settings" "limit=220M" "$(page api)"
holds "... and the plan is empty again" "nothing changes" "$(cps manifest plan "$manifest" 2>&1)"

# ---- download ----

check "what runs is written as a manifest" cps manifest download bookshop --output "$T/mani/copy.json"
holds "... which changes nothing where it comes from" "nothing changes" "$(cps manifest plan "$T/mani/copy.json" 2>&1)"
sed -i 's/"backend": 1/"backend": 0/; s/"web": 1/"web": 0/' "$T/mani/copy.json"

# ---- the director is killed while a manifest is applied ----

job=$(field 'd["id"]' manifest apply "$T/mani/copy.json" --name second --no-wait)
kill -KILL "$(daemon_pid director)"
wait_for 60 api_answers || give_up "the director is back"
job_state() { field 'd["state"]' manifest show "$job"; }
job_is() { [ "$(job_state)" = "$1" ]; }
check "a job survives the death of the director" wait_for 120 job_is DONE
same "the copy's services run" "RUNNING RUNNING" \
    "$(field '" ".join(s["state"] for s in d["services"] if s["app_name"] == "second")' service list)"
holds "the copy answers" "front of the shop" "$(front='' page second/front)"

# ---- the rest goes ----

cat >"$T/mani/one.json" <<'END'
{ "Application": "second", "Services": [ { "Type": "php", "ServiceName": "front", "Start": 0 } ] }
END
holds "a service that is not in the manifest is left alone" "1 not in the manifest" \
    "$(cps manifest plan "$T/mani/one.json" 2>&1)"
check "Start 0 stops, --prune removes" cps manifest apply "$T/mani/one.json" --prune
same "... so it is" "front STOPPED" \
    "$(field '" ".join(s["name"] + " " + s["state"] for s in d["services"] if s["app_name"] == "second")' service list)"

# ---- addresses that are not fetched ----

for url in "https://127.0.0.1/x.tar.gz" "https://$gateway:$node_port/x.tar.gz" "https://169.254.169.254/latest" \
    "https://[::1]/x" "https://localhost/x.tar.gz"; do
    cat >"$T/mani/ssrf.json" <<END
{ "Application": "second", "Services": [ { "Type": "php", "ServiceName": "front", "Start": 0, "Archive": "$url" } ] }
END
    refused "$url is not fetched" 1 "not public|does not fetch from port" cps manifest apply "$T/mani/ssrf.json"
done
refused "http is not fetched" 1 "only https" cps manifest apply - \
    <<<'{ "Application": "second", "Services": [ { "Type": "php", "ServiceName": "front", "Start": 0, "Archive": "http://example.org/x" } ] }'

# ---- a database and who refers to it ----

mkdir -p "$T/app-blog"
cat >"$T/app-blog/index.php" <<'END'
<?php
$db = new mysqli(getenv('MYSQL_HOST'), getenv('MYSQL_USER'), getenv('MYSQL_PASSWORD'), '', (int) getenv('MYSQL_PORT'));
echo "rows ", $db->query('SELECT 1 + 1')->fetch_row()[0], "\n";
END
pack blog "$T/app-blog"
cp "$T/blog.tar.gz" "$T/mani/"
cat >"$T/mani/blog.json" <<'END'
{
  "Application": "blog",
  "Services": [
    { "Type": "php", "ServiceName": "pages", "Archive": "file:blog.tar.gz", "References": ["database"] },
    { "Type": "mysql", "ServiceName": "database", "Password": null }
  ]
}
END
apply_blog() { printf '%s\n' "a good long password" | cps manifest apply "$T/mani/blog.json"; }
check "a database and its pages come from one file; the password is asked for" apply_blog
holds "the pages reach the database" "rows 2" "$(front='' page pages)"
holds "... and the plan is empty" "nothing changes" "$(cps manifest plan "$T/mani/blog.json" 2>&1)"
cps app delete blog --yes >/dev/null 2>&1
cps app delete second --yes >/dev/null 2>&1
cps app delete bookshop --yes >/dev/null 2>&1
