# shellcheck shell=bash disable=SC2154,SC2034
# Without systemd: the supervisor keeps a daemon's output small, and leaves nothing when it ends.
export CONPAAS_LOG_MAX=100000 CONPAAS_ROTATE_SECONDS=1
chatter=$T/log/chatter.out
size() { stat -c %s "$chatter"; }
grows() { local before; before=$(size); sleep 0.2; [ "$(size)" != "$before" ]; }
kept() { [ "$(stat -c %s "$chatter.1")" -ge "$CONPAAS_LOG_MAX" ]; }
small() { [ "$(size)" -lt "$CONPAAS_LOG_MAX" ]; }
# Something that is not ours must not be written through.
printf 'untouched\n' >"$T/other"
ln -s "$T/other" "$chatter.1"
# shellcheck disable=SC2016
helper start chatter -- bash -c 'i=0; while [ $i -lt 2000000 ]; do echo "line $((i++)) of one who talks all the time"; [ $((i % 200)) != 0 ] || sleep 0.02; done'
supervisor=$(cut -d ' ' -f 1 "$T/pids/chatter.pid")
check "output over the limit is kept aside once" wait_for 30 kept
check "and begins anew" wait_for 10 small
check "the daemon goes on writing to it" wait_for 5 grows
same "a link of another's is replaced, not followed" untouched "$(cat "$T/other")"
first=$(head -n 1 "$chatter")
anew() { [ "$(head -n 1 "$chatter")" != "$first" ]; }
check "it happens again" wait_for 30 anew
same "and one old file is kept" 1 "$(find "$T/log" -name 'chatter.out.*' | wc -l)"
check "it stops" helper stop chatter
none_left() { ! pgrep -g "$supervisor"; }
check "with all its processes" wait_for 5 none_left
rm -f "$chatter" "$chatter.1"
