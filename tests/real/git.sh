# shellcheck shell=bash disable=SC2154,SC2034,SC2016
# Code comes by git push: real ssh and git on the pusher's side. What is pushed is served, bad pushes are refused.
new_user pusher 1000 >/dev/null || give_up "a user"
G=$T/gitclient
mkdir -p "$G"
for who in ann bob eve; do
    ssh-keygen -q -t ed25519 -N '' -C "$who@laptop" -f "$G/$who" || give_up "keys"
done
ssh_as() { # KEY: what git uses as ssh
    printf 'ssh -F none -i %s -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=%s/known' "$G/$1" "$G"
}
key=ann
g() { # git as the pusher, with nothing of this host's settings
    timeout 300 env -u SSH_AUTH_SOCK HOME="$G" XDG_CONFIG_HOME="$G/none" GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0 \
        GIT_SSH_COMMAND="$(ssh_as $key)" GIT_AUTHOR_NAME=Ann GIT_AUTHOR_EMAIL=ann@example.org \
        GIT_COMMITTER_NAME=Ann GIT_COMMITTER_EMAIL=ann@example.org git -c init.defaultBranch=main -c protocol.file.allow=always "$@"
}
base=ssh://git@127.0.0.1:$git_port
raw() { # what a client can ask sshd for by hand
    local who=$1
    shift
    read -ra words <<<"$(ssh_as "$who")"
    timeout 60 "${words[@]}" -p "$git_port" "$@" </dev/null
}
say_version() { # TEXT -> the tree of a small application that says it
    printf '<?php echo "%s node=", gethostname(), " end\\n";\n' "$1" >"$G/work/index.php"
    cp "$G/work/index.php" "$G/work/plain.php"
    printf '%s static\n' "$1" >"$G/work/static.txt"
}
commit() { g -C "$G/work" add -A && g -C "$G/work" commit -q -m "$1"; }
push() { g -C "$G/work" push "$@"; }
versions() { field '" ".join(sorted(v["name"] for v in d["versions"]))' code list shop; }
current() { field '[v["name"] for v in d["versions"] if v["current"]][0]' code list shop; }

check "a service is created" cps service create php shop || exit 1
cps service start shop >/dev/null || give_up "it starts"
id=$(field 'd["id"]' service show shop)
front=$(target shop)
same "its repository is told" "$base/shop/shop" "$(field 'd["url"]' git show shop)"
same "the director's object says where" "127.0.0.1:$git_port" "$(field 'd["git"]' director version)"
refused "without a key nobody comes in" 128 'Permission denied|publickey' g clone -q "$base/shop/shop" "$G/none"
check "the key may push" cps key add shop "$(cat "$G/ann.pub")"
check "clone" g clone -q "$base/shop/shop" "$G/work"

holds "doctor finds its port" "git .*127.0.0.1:$git_port takes pushes" "$(cps doctor 2>&1)"

# ---- push ----
say_version PUSH-1
printf 'left-out.txt export-ignore\n*.php filter=evil\n' >"$G/work/.gitattributes"
printf 'x\n' >"$G/work/left-out.txt"
printf '[filter "evil"]\n\tsmudge = touch %s/evil-ran\n\tclean = cat\n' "$G" >"$G/work/.gitconfig"
mkdir -p "$G/work/hooks"
printf '#!/bin/sh\ntouch %s/hook-ran\n' "$G" >"$G/work/hooks/post-receive"
chmod 0777 "$G" "$G/work/hooks/post-receive"
commit 'first: "quotes" & <html> $(x)' || give_up "a commit"
first=$(g -C "$G/work" rev-parse HEAD)
out=$(push origin HEAD:main 2>&1)
code=$?
note "$out"
same "a push succeeds" 0 "$code"
holds "and tells its steps" 'remote: +.*\([0-9.]+ s\)' "$out"
same "its last word is the URL" "remote: $(url shop)" "$(grep '^remote:' <<<"$out" | tail -n 1 | sed 's/ *$//')"
same "the version has the commit's name" "git-${first:0:7}" "$(current)"
same "and its subject" 'first: "quotes" & <html> $(x)' "$(field '[v["description"] for v in d["versions"] if v["current"]][0]' code list shop)"
holds "a script of it is served" '^PUSH-1 node=' "$(page shop /index.php)"
same "and a file" 'PUSH-1 static' "$(page shop /static.txt)"
check "the version can be downloaded" cps code download shop "git-${first:0:7}" --output "$G/first.tar.gz"
same "what is to be left out is left out" 'index.php plain.php static.txt' "$(tar tzf "$G/first.tar.gz" | grep -E '^[a-z-]+[.]' | sort | xargs)"
same "no hook or filter of the tree ran" '' "$(ls -d "$G"/*-ran 2>/dev/null)"
holds "history names the pusher" 'ann@laptop' "$(cps history shop)"

# ---- under load: two pushes, one of them forced ----
start_load "$front" 'PUSH-1|PUSH-2|PUSH-3' --keep 4 --new 4 --pause-ms 25
began=$(date +%s%N)
say_version PUSH-2
commit second && check "a second push under load" push -q origin HEAD:main
note "git push until it is served: $((($(date +%s%N) - began) / 1000000)) ms"
holds "is served" '^PUSH-2 node=' "$(page shop /index.php)"
say_version PUSH-3
g -C "$G/work" add -A && g -C "$G/work" commit -q --amend -m "third, instead of the second"
check "a forced push under load" push -q --force origin HEAD:main
holds "is served too" '^PUSH-3 node=' "$(page shop /index.php)"
stop_load
same "of $requests requests meanwhile none failed" 0 "$failed"
third=$(g -C "$G/work" rev-parse HEAD)

# ---- names ----
for name in shop/shop.git shop "$id" shop/"$id" code pusher/shop/shop; do
    same "the repository is known as $name" "$third" "$(g ls-remote "$base/$name" refs/heads/main | cut -f 1)"
done
while read -r name; do
    refused "no repository is named $name" 128 'no such repository|no name of a repository|access rights' g ls-remote "$base/$name"
done <<'END'
../shop
shop/../shop
shop/shop/..
%2e%2e/%2e%2e/etc
shop//shop
/etc/passwd
-x/shop
--upload-pack=id/shop
~root/x
nobody/shop/shop
shop/other
END

# ---- what ssh can ask for ----
for what in '' id 'git-upload-archive shop/shop' "git-upload-archive 'shop/shop'" "git-upload-pack 'shop/shop'; id" "git-upload-pack '\$(id)'" \
    "git-upload-pack --help" "git-receive-pack '--help'" "git-upload-pack 'shop'\\''; id'" 'sftp-server' 'scp -t /tmp' "git-upload-pack '/etc'"; do
    refused "not allowed: ${what:-a shell}" 1 'conpaas:' raw ann git@127.0.0.1 "$what"
done
refused "no subsystem" 255 'subsystem request failed' raw ann -s git@127.0.0.1 sftp
holds "no terminal" 'PTY allocation request failed' "$(raw ann -tt git@127.0.0.1 2>&1)"
refused "no other login" 255 'Permission denied' raw ann root@127.0.0.1
refused "nor the daemon's own" 255 'Permission denied' raw ann "$git_runner@127.0.0.1"
as_git() { setpriv --reuid="$git_runner" --regid="$(id -g "$git_runner")" --clear-groups "$@"; }
refused "its user cannot read the database" 1 'Permission denied' as_git cat "$T/director/director.db"
refused "nor the director's keys" 1 'Permission denied' as_git cat "$T/director/ca.key"
heard() { # USER: what the director's socket says to it
    setpriv --reuid="$1" --regid="$(id -g "$1")" --clear-groups /usr/bin/python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"{\"call\":\"services\"}\n")
print(s.recv(4096).decode())' "$T/gitsock/git.sock" 2>&1
}
holds "the director hears it" 'services' "$(heard "$git_runner")"
same "and nobody else" '' "$(heard backup | grep services)"
holds "no forwarding to here" 'forwarding failed|cannot listen|Error' "$(raw ann -o ExitOnForwardFailure=yes -R "$((git_port + 20000)):127.0.0.1:22" git@127.0.0.1 id 2>&1)"
raw ann -N -L "$((git_port + 20000)):127.0.0.1:$user_port" git@127.0.0.1 2>"$G/forward.err" &
forward=$!
wait_for 10 bash -c "exec 3<>/dev/tcp/127.0.0.1/$((git_port + 20000))"
curl -sk --max-time 3 "https://127.0.0.1:$((git_port + 20000))/v1/version" >"$G/forward.out"
kill "$forward" 2>/dev/null
wait "$forward" 2>/dev/null
same "no forwarding from here" '' "$(cat "$G/forward.out")"
sent() { raw ann -o 'SetEnv GIT_DIR=/etc GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=core.hooksPath GIT_CONFIG_VALUE_0=/tmp GIT_EXTERNAL_DIFF=/tmp/x' git@127.0.0.1 "git-upload-pack 'shop'"; }
holds "variables of the client change nothing" "$third" "$(sent 2>&1 | tr -d '\0')"

# ---- refused pushes leave all as it was ----
before="$(versions) $(current)"
try() { # TEXT PATTERN: the working tree is pushed and refused
    commit "$1" || give_up "$1"
    refused "$1" 1 "$2" push origin HEAD:main
    g -C "$G/work" reset -q --hard "$third" 2>/dev/null
    g -C "$G/work" clean -qfdx
}
ln -s ../../etc/passwd "$G/work/out"
try "a link that leaves the tree" 'link'
g init -q "$G/sub" && g -C "$G/sub" commit -q --allow-empty -m sub
g -C "$G/work" submodule --quiet add "$G/sub" part 2>/dev/null
try "a submodule" 'part is a submodule'
rm -rf "$G/work/.git/modules"
# trees that git itself would not make: MODE NAME
while read -r name; do
    blob=$(printf 'evil\n' | g -C "$G/work" hash-object -w --stdin)
    sub=$(printf '100644 blob %s\tconfig\n' "$blob" | g -C "$G/work" mktree)
    tree=$(printf '040000 tree %s\t%s\n' "$sub" "$name" | g -C "$G/work" mktree)
    bad=$(g -C "$G/work" commit-tree -p "$third" -m bad "$tree")
    refused "a tree with a directory $name" 1 'fsck|index-pack|unpack|hasDot' push origin "$bad:main"
done <<'END'
.git
.GIT
git~1
..
END
head -c 12000000 /dev/urandom >"$G/work/big"
try "a push over the limit" 'exceeds|too large|maximum allowed|unpack'
blob=$(printf 'x\n' | g -C "$G/work" hash-object -w --stdin)
tree=$(printf '100644 blob %s\tf\n' "$blob" | g -C "$G/work" mktree)
for level in 1 2 3 4 5 6 7 8; do
    tree=$(for i in 0 1 2 3 4 5 6 7 8 9; do printf '040000 tree %s\td%d\n' "$tree" "$i"; done | g -C "$G/work" mktree)
done
bomb=$(g -C "$G/work" commit-tree -p "$third" -m bomb "$tree")
refused "a small pack that holds 100 million files" 1 'more than 200000 files' push origin "$bomb:main"
refused "the deployed branch is not deleted" 1 'cannot be deleted' push origin :main
refused "main and master at once" 1 'push one of them' push origin HEAD:refs/heads/master "+HEAD~1:refs/heads/main"
refused "other kinds of references" 1 'only branches and tags' push origin HEAD:refs/notes/x
same "all this changed nothing" "$before" "$(versions) $(current)"
holds "what served still serves" '^PUSH-3 node=' "$(page shop /index.php)"
same "nor is it in the repository" "$third" "$(g ls-remote "$base/shop" refs/heads/main | cut -f 1)"

# ---- a version that fails its trial ----
printf '<?php\nthis is no PHP (\n' >"$G/work/index.php"
commit "broken" && out=$(push origin HEAD:main 2>&1)
same "a broken version fails the push" 1 $?
holds "with the reason" 'not active: .*(probe|trial|500|syntax|parse)' "$out"
holds "the old one serves" '^PUSH-3 node=' "$(page shop /index.php)"
holds "it is listed, to be looked at" "git-$(g -C "$G/work" rev-parse --short=7 HEAD)" "$(versions)"
g -C "$G/work" reset -q --hard "$third"

# ---- the same again, other branches, master, deploy off ----
g -C "$G/work" branch -q other
g -C "$G/work" tag v1
out=$(push origin other v1 2>&1)
holds "other branches and tags are kept, not deployed" 'kept, not deployed: other, v1' "$out"
out=$(push origin "$third:refs/heads/master" 2>&1)
holds "the same commit again is harmless" "git-${third:0:7} is there already" "$out"
same "a clone checks out what was deployed last" master "$(g clone -q "$base/shop" "$G/again" && g -C "$G/again" branch --show-current)"
check "pushes are only stored from now on" cps git set shop --deploy=off
say_version PUSH-4
commit fourth && out=$(push origin HEAD:main 2>&1)
holds "and say how to activate" "conpaas code enable shop git-" "$out"
holds "the old version serves" '^PUSH-3 node=' "$(page shop /index.php)"
check "which works" cps code enable shop "git-$(g -C "$G/work" rev-parse --short=7 HEAD)"
holds "and is served" '^PUSH-4 node=' "$(page shop /index.php)"
check "pushes are activated again" cps git set shop --deploy=on

# ---- two at once ----
g clone -q "$base/shop/shop" "$G/other" && g -C "$G/other" checkout -q main 2>/dev/null
say_version PUSH-5
commit fifth
printf 'PUSH-6 static\n' >"$G/other/static.txt"
g -C "$G/other" add -A && g -C "$G/other" commit -q -m sixth
push -q origin HEAD:main >"$G/race.1" 2>&1 &
one=$!
g -C "$G/other" push -q origin HEAD:main >"$G/race.2" 2>&1 &
two=$!
wait "$one" && a=0 || a=1
wait "$two" && b=0 || b=1
same "of two simultaneous pushes one is taken" 1 $((a + b))
g -C "$G/other" fetch -q origin
same "and what is active is what the repository has" "git-$(g -C "$G/other" rev-parse --short=7 origin/main)" "$(current)"

# ---- whose ----
new_user namesake 100 >/dev/null || give_up "a second user"
cps service create php shop >/dev/null || give_up "an application of the same name"
cps key add shop "$(cat "$G/eve.pub")" >/dev/null || give_up "its key"
key=eve
theirs=$(field 'd["id"]' service show shop)
same "another user's application of the same name is another repository" '' "$(g ls-remote "$base/shop/shop")"
refused "its owner's name does not help" 128 'no such repository' g ls-remote "$base/pusher/shop/shop"
refused "nor the id" 128 'no such repository' g ls-remote "$base/$id"
cps key add shop "$(cat "$G/ann.pub")" >/dev/null
me=pusher
key=ann
refused "a key of two applications of one name has to say whose" 128 'several repositories' g ls-remote "$base/shop/shop"
same "and can" "$third" "$(g ls-remote "$base/pusher/shop/shop" refs/heads/master | cut -f 1)"
key=bob
refused "a foreign key is refused" 128 'Permission denied' g ls-remote "$base/shop/shop"
key=ann
check "a key is taken away" cps key remove shop ann@laptop
refused "its next connection has nothing here" 128 'no such repository' g ls-remote "$base/pusher/shop/shop"

# ---- away ----
check "its repository is there" test -d "$T/git/repos/$id.git"
cps service stop shop >/dev/null 2>&1
check "the service is deleted" cps service delete shop --yes
check "the repository has gone with it" wait_for 30 test ! -e "$T/git/repos/$id.git"
check "the other one is still there" test -d "$T/git/repos/$theirs.git"
me=namesake
cps service delete shop --yes >/dev/null 2>&1
me=pusher
