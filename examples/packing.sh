# shellcheck shell=bash disable=SC2154
# Words of the packers of ready-made applications: sourced by */pack.
#
# Debian's packages spread one application over /usr/share, /etc and /var/lib and tie it together with links; an
# archive for ConPaaS is one tree whose links stay inside.  Nothing is installed on this machine: packages are only
# downloaded and unpacked, and an application's own installer runs in a scratch machine made of the node image, where
# it finds the very engines that it will have on nodes.

examples=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}
say() { printf '  %s ...\n' "$*" >&2; }

# fetch_packages WORK PACKAGE...: their files below WORK/packages; apt checks their signatures.
fetch_packages() {
    local work=$1 deb link target
    shift
    rm -rf "$work/debs" "$work/packages"
    mkdir -p "$work/debs" "$work/packages"
    say "fetching $*"
    apt_download "$work/debs" "$@" || { apt-get -q update >/dev/null && apt_download "$work/debs" "$@"; } ||
        die "apt could not download the packages: see $work/debs.log"
    for deb in "$work"/debs/*.deb; do
        dpkg -x "$deb" "$work/packages"
    done
    # Absolute links point into the packages' tree; links to nothing go.
    while IFS= read -r link; do
        target=$(readlink "$link")
        case $target in
        /*) ln -sfn "$work/packages$target" "$link" ;;
        esac
    done < <(find "$work/packages" -type l)
    find "$work/packages" -xtype l -delete
}
apt_download() {
    local into=$1
    shift
    (cd "$into" && apt-get -q download -o Acquire::Retries=3 "$@") >"$into.log" 2>&1
}

# take FROM TO: a copy with files in place of links.
take() {
    mkdir -p "$(dirname "$2")"
    cp -rL "$1" "$2"
}

# pack_tree TREE ARCHIVE: for its owner alone, as it has the hash of a password.
pack_tree() {
    say "packing $(find "$1" -type f | wc -l) files"
    rm -f "$2.new"
    (umask 077 && : >"$2.new")
    tar -C "$1" --owner=0 --group=0 --sort=name -czf "$2.new" .
    mv "$2.new" "$2"
}

# new_password FILE: a random one that only this user can read; one that is there stays.
new_password() {
    [ -s "$1" ] || (umask 077 && head -c 256 /dev/urandom | tr -dc 'a-km-zA-HJ-NP-Z2-9' | head -c 20 >"$1")
}

# The tree of the node image: where `image/build` has put it, or what CONPAAS_IMAGE names.
image_tree() {
    local tree=${CONPAAS_IMAGE:-}
    [ -n "$tree" ] || tree=$("$examples/../image/build" --print-path 2>/dev/null)/rootfs ||
        tree=/var/lib/conpaas/images/current/rootfs
    [ -x "$tree/usr/sbin/mariadbd" ] ||
        die "this needs the node image: \`sudo make nutshell\` builds it, or \`sudo image/build\`"
    printf '%s\n' "$tree"
}

# in_scratch WORK COMMAND: a shell command with the node image as its root and WORK as /mnt, in a machine of its own
# (files, processes, network): all that it starts ends with it, all that it writes is in /mnt.  An empty MariaDB
# waits on 127.0.0.1:3306, with $MYSQL_USER, $MYSQL_PASSWORD and $MYSQL_DATABASE as on nodes.
in_scratch() {
    local work=$1 command=$2 tree
    local -a own=()
    tree=$(image_tree) || exit 1
    [ "$(id -u)" = 0 ] || own=(--user --map-root-user)
    mkdir -p "$work/scratch-root"
    printf '%s\n' "$command" >"$work/scratch-command"
    # shellcheck disable=SC2016
    unshare "${own[@]}" --mount --pid --fork --kill-child --net --uts --ipc bash -euc '
        root=$2/scratch-root
        mount --make-rprivate /
        mount --rbind "$1" "$root"
        mount -o remount,bind,ro "$root"
        for d in tmp run var/lib/mysql var/log; do mount -t tmpfs tmpfs "$root/$d"; done
        mount --bind "$2" "$root/mnt"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        ip link set lo up
        exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 chroot "$root" /bin/bash -c "$3"
    ' scratch "$tree" "$work" "$(scratch_script)" >"$work/scratch.log" 2>&1 ||
        { tail -n 20 "$work/scratch.log" >&2 && die "the installation failed; all of its output: $work/scratch.log"; }
    rmdir "$work/scratch-root"
}
scratch_script() {
    cat <<'END_OF_SCRIPT'
set -euo pipefail
export MYSQL_HOST=127.0.0.1 MYSQL_PORT=3306 MYSQL_USER=scratch MYSQL_DATABASE=scratch
MYSQL_PASSWORD=$(head -c 64 /dev/urandom | sha256sum | cut -c1-24)
export MYSQL_PASSWORD
mariadb-install-db --no-defaults --user=root --datadir=/var/lib/mysql --skip-test-db --force \
    --auth-root-authentication-method=normal
mariadbd --no-defaults --user=root --datadir=/var/lib/mysql --socket=/run/scratch.sock --bind-address=127.0.0.1 \
    --character-set-server=utf8mb4 --skip-log-bin &
for _ in $(seq 600); do
    mariadb-admin --no-defaults --user=root --socket=/run/scratch.sock ping >/dev/null 2>&1 && break
    sleep 0.1
done
mariadb --no-defaults --user=root --socket=/run/scratch.sock <<SQL
CREATE DATABASE scratch;
CREATE USER scratch@'127.0.0.1' IDENTIFIED BY '$MYSQL_PASSWORD';
GRANT ALL PRIVILEGES ON scratch.* TO scratch@'127.0.0.1';
SQL
# dump FILE: the tables, without the name of their database, in one transaction where tables allow it.
dump() {
    mariadb-dump --no-defaults --user=root --socket=/run/scratch.sock --single-transaction --skip-add-locks \
        --skip-disable-keys --skip-comments --hex-blob scratch >"$1"
}
# sql: standard input, in the application's database.
sql() { mariadb --no-defaults --user=root --socket=/run/scratch.sock scratch; }
# shellcheck source=/dev/null
. /mnt/scratch-command
END_OF_SCRIPT
}
