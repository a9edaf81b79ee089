# shellcheck shell=bash disable=SC2154,SC2034
# Bad input gets a clear error and changes nothing.
new_user stranger 100 >/dev/null || give_up "a second user"
new_user owner 100 >/dev/null || give_up "a user"
check "a service is created" cps service create php shop || exit 1
cps service start shop >/dev/null || give_up "it starts"
id=$(field 'd["id"]' service show shop)
app=$(field 'd["app"]' service show shop)
snapshot() {
    field '(d["generation"], d["counts"], d["code"], d["name"], d["state"])' service show shop
    field '[(v["name"], v["current"]) for v in d["versions"]]' code list shop
    field 'd["settings"]' config show shop
    credit
}
before=$(snapshot)

# ---- archives: file, what the message must say ----
mkdir -p "$T/hostile"
"$here/hostile.py" "$T/hostile" || give_up "hostile archives are made"
while read -r file pattern; do
    refused "archive $file" 2 "$pattern" cps code upload shop "$T/hostile/$file"
done <<'END'
dotdot.tar.gz \.\.
dotdot-inside.tar.gz \.\.
absolute.tar.gz absolute
link-out.tar.gz link
link-up.tar.gz link
hardlink-out.tar.gz link
device.tar.gz neither a file
fifo.tar.gz neither a file
truncated.tar.gz truncated|damaged|ends|incomplete|corrupt
text.tar.gz archive
empty.tar.gz archive|empty
dotdot.zip \.\.
END

# ---- the command line: exit code, what the message must say, arguments ----
while IFS='|' read -r text code pattern arguments; do
    read -ra words <<<"$arguments"
    refused "$text" "$code" "$pattern" cps "${words[@]}"
done <<'END'
a name with a slash|2|name|service create php a/b
a name that begins with a dash|2|name|service create php -- -x
a name of 100 letters|2|name|service create php aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
a type that does not exist|2|type|service create fortran x
a service that does not exist|5|no|service show nothing
a setting that does not exist|2|colour|config set shop colour=red
a setting with a bad value|2|memory_limit|config set shop memory_limit=lots
a negative count|2|web|node add shop --web -1
more nodes than a role can have|2|web|node add shop --web 1000
removing what is not there|2|proxy|node remove shop --proxy 1
two proxies with packed roles|2|web|node add shop --proxy 1
starting what runs|6|RUNNING|service start shop
deleting what runs|6|RUNNING|service delete shop --yes
a version that does not exist|5|code-99|code enable shop code-99
deleting the active version|6|active|code delete shop code-default --yes
an administrator's command|4|admin|user list
END
me=stranger
refused "another user's service is not there" 5 'no' cps service show "$id"
refused "nor can it be stopped" 5 'no' cps service stop "$id"
refused "nor its code read" 5 'no' cps code list "$id"
me=owner

# ---- requests by hand: status, word of the error ----
word() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["error"]["code"])' "$T/body" 2>/dev/null; }
asked() { # TEXT STATUS WORD METHOD PATH [CURL OPTION...]
    local text=$1 status=$2 code=$3 got
    shift 3
    got=$(request "$@")
    same "$text: $status $code" "$status $code" "$got $(word)"
}
json=(-H 'Content-Type: application/json')
asked "an unknown member" 400 invalid POST "/v1/services/$id/nodes/add" "${json[@]}" -d '{"counts":{"web":1},"colour":"red"}'
asked "an unknown role" 400 invalid POST "/v1/services/$id/nodes/add" "${json[@]}" -d '{"counts":{"cook":1}}'
asked "a number as text" 400 invalid POST "/v1/services/$id/nodes/add" "${json[@]}" -d '{"counts":{"web":"1"}}'
asked "no JSON" 400 invalid POST "/v1/services/$id/nodes/add" "${json[@]}" -d '{"counts":'
asked "a member twice" 400 invalid POST "/v1/services/$id/nodes/add" "${json[@]}" -d '{"counts":{"web":1},"counts":{"web":2}}'
asked "a path that does not exist" 404 not_found GET /v1/nothing
asked "a method that does not exist" 405 method_not_allowed DELETE /v1/types
asked "an old generation" 412 stale POST "/v1/services/$id/nodes/add" "${json[@]}" -d '{"counts":{"web":1},"expect_gen":9999}'
head -c 3000000 /dev/zero | tr '\0' 'x' >"$T/big"
asked "a body over its limit" 413 too_large POST "/v1/services/$id/nodes/add" "${json[@]}" --data-binary "@$T/big"
same "no token" 401 "$(curl -sk --max-time 10 -o /dev/null -w '%{http_code}' "https://127.0.0.1:$user_port/v1/apps")"
same "a wrong token" 401 "$(curl -sk --max-time 10 -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer wrong' "https://127.0.0.1:$user_port/v1/apps")"
same "nothing of all this changed anything" "$before" "$(snapshot)"

# ---- every format of archive ----
pack_as() { # FORMAT -> $T/all.FORMAT
    mkdir -p "$T/app-all/deep/er"
    printf '<?php echo "packed as %s node=", gethostname(), " end\n";\n' "$1" >"$T/app-all/index.php"
    printf 'file packed as %s\n' "$1" >"$T/app-all/deep/er/file.txt"
    python3 - "$T/app-all" "$T/all.$1" "$1" <<'END'
import os, sys, tarfile, zipfile
folder, to, kind = sys.argv[1:]
if kind == "zip":
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as z:
        for name in ("index.php", "deep/er/file.txt"):
            z.write(os.path.join(folder, name), name)
else:
    with tarfile.open(to, "w:" + kind[4:]) as t:
        t.add(folder, arcname=".")
END
}
for format in tar tar.gz tar.bz2 tar.xz zip; do
    pack_as "$format"
    version=$(field 'd["name"] + " " + d["format"]' code upload shop "$T/all.$format")
    same "an archive is known as $format" "$format" "${version#* }"
    check "it is enabled" cps code enable shop "${version% *}"
    holds "a script of it is served" "^packed as $format node=" "$(page shop /index.php)"
    same "and a file" "file packed as $format" "$(page shop /deep/er/file.txt)"
done

# ---- no credit ----
new_user poor 1 >/dev/null || give_up "a poor user"
check "one credit is enough for a manager" cps service create php tiny
refused "but not for a node" 7 'credit' cps service start tiny
same "the balance is not negative" 0 "$(credit)"
me=owner

# ---- two simultaneous changes ----
for i in 1 2; do
    curl -sk --max-time 30 -o /dev/null -w '%{http_code}\n' -X POST -H "Authorization: Bearer $(token)" "${json[@]}" \
        -d '{"counts":{"web":1}}' "https://127.0.0.1:$user_port/v1/services/$id/nodes/add" >"$T/race.$i" &
    pids[i]=$!
done
wait "${pids[@]}"
same "of two simultaneous changes exactly one is accepted" $'202\n409' "$(sort "$T"/race.[12])"
check "and carried out" wait_for 180 is_state shop RUNNING
same "once" 2 "$(nodes shop)"

# ---- certificates ----
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=foreign' \
    -addext "subjectAltName=DNS:n1.a$app.manager.$installation" -keyout "$T/foreign.key" -out "$T/foreign.pem" 2>/dev/null
node_call() { # CERT KEY PATH BODY -> status, 000 when TLS refuses
    curl -sk --max-time 10 -o "$T/body" -w '%{http_code}' --cert "$1" --key "$2" -X POST "${json[@]}" -d "$4" \
        "https://$gateway:$node_port$3" || true
}
holds "a foreign certificate is refused" '^(000|401|403)' "$(node_call "$T/foreign.pem" "$T/foreign.key" /node/v1/register '{"nonce":"x"}')"
holds "no certificate is refused" '^(000|401)' "$(curl -sk --max-time 10 -o /dev/null -w '%{http_code}' -X POST -d '{}' "https://$gateway:$node_port/node/v1/view" || true)"
pid=$(pids_of conpaas-agent "$(address_of "$(node_with shop proxy)")" | head -n 1)
cp "/proc/$pid/root/var/lib/conpaas/cert.pem" "$T/agent.pem" && cp "/proc/$pid/root/var/lib/conpaas/key.pem" "$T/agent.key"
holds "an agent's certificate is good for its heartbeat" '^200' "$(node_call "$T/agent.pem" "$T/agent.key" /node/v1/heartbeat '{"boot":1}')"
holds "but not for a manager's request" '^403' "$(node_call "$T/agent.pem" "$T/agent.key" /node/v1/destroy "{\"epoch\":1,\"service\":$id,\"node\":1,\"why\":\"x\"}")"
holds "nor for a user's operation on the nodes' port" '^(403|404)' "$(node_call "$T/agent.pem" "$T/agent.key" "/v1/services/$id/stop" '{}')"
same "nor on the users' port" 401 "$(curl -sk --max-time 10 -o /dev/null -w '%{http_code}' --cert "$T/agent.pem" --key "$T/agent.key" -X POST "${json[@]}" -d '{}' "https://127.0.0.1:$user_port/v1/services/$id/stop")"
same "the service still runs" RUNNING "$(state shop)"
cps service stop shop >/dev/null 2>&1
cps service delete shop --yes >/dev/null 2>&1
as poor "$conpaas" service delete tiny --yes >/dev/null 2>&1
