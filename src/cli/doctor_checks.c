#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fs.h"
#include "cli/doctor.h"
#include "cli/trust.h"

#define SMALL_FILE (1 << 20)
#define SUBIDS_NEEDED 65536
#define GIB (1LL << 30)

/* ---- kernel ---- */

bool doctor_kernel_is(const char *release, int major, int minor)
{
    int64_t a = 0, b = 0;
    size_t n = strspn(release, "0123456789");
    _cleanup_free_ char *first = xstrndup(release, n);
    const char *rest = release[n] == '.' ? release + n + 1 : "";
    _cleanup_free_ char *second = xstrndup(rest, strspn(rest, "0123456789"));
    if (str_to_int(first, 0, 1000, &a) < 0) {
        return false;
    }
    if (str_to_int(second, 0, 1000, &b) < 0) {
        b = 0;
    }
    return a > major || (a == major && b >= minor);
}

static void look_kernel(struct cli *cli, struct finding *ret)
{
    struct utsname u;
    if (uname(&u) < 0 || !doctor_kernel_is(u.release, 5, 19)) {
        finding_set(ret, FINDING_BAD,
                    str_printf("Linux %s: 5.19 or newer is needed (id-mapped overlay)", u.release),
                    xstrdup("install a newer kernel: apt-get install linux-image-amd64, then reboot"));
        return;
    }
    finding_set(ret, FINDING_OK, str_printf("Linux %s", u.release), NULL);
}

static bool file_has(const char *path, const char *word)
{
    _cleanup_buf_ struct buf text = {0};
    return fs_read(path, SMALL_FILE, &text, NULL) == 0 && text.data && strstr(text.data, word);
}

static void look_overlay(struct cli *cli, struct finding *ret)
{
    if (!file_has("/proc/filesystems", "overlay")) {
        finding_set(ret, FINDING_BAD, xstrdup("the kernel offers no overlay file system"),
                    xstrdup("modprobe overlay"));
        return;
    }
    bool loop = fs_exists("/dev/loop-control");
    finding_set(
        ret, loop ? FINDING_OK : FINDING_WARN,
        xstrdup(loop ? "overlay and loop devices" : "overlay, but no loop devices (volumes and disk limits)"),
        loop ? NULL : xstrdup("modprobe loop"));
}

/* A user namespace is tried in a child: no setting tells for sure. */
static bool can_unshare_user(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
    }
    int status = 1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* The kernel refuses user namespaces to whoever is in a chroot; the root helper leaves it first (hostd/mounts.c). */
static bool in_chroot(void)
{
    return !file_has("/proc/self/mountinfo", " / rw") && !file_has("/proc/self/mountinfo", " / ro");
}

static bool forbidden(void)
{
    _cleanup_buf_ struct buf text = {0};
    return fs_read("/proc/sys/user/max_user_namespaces", SMALL_FILE, &text, NULL) == 0 && text.data &&
           str_eq(text.data, "0\n");
}

static void look_namespaces(struct cli *cli, struct finding *ret)
{
    bool can = can_unshare_user();
    if (!can && in_chroot() && !forbidden()) {
        finding_set(ret, FINDING_OK, xstrdup("user namespaces (not tried: this is a chroot)"), NULL);
        return;
    }
    if (!can) {
        finding_set(ret, FINDING_BAD, xstrdup("user namespaces cannot be made"),
                    xstrdup("sysctl -w user.max_user_namespaces=15000 kernel.unprivileged_userns_clone=1"));
        return;
    }
    finding_set(ret, FINDING_OK, xstrdup("user namespaces"), NULL);
}

static void look_cgroups(struct cli *cli, struct finding *ret)
{
    static const char *const wanted[] = {"cpu", "memory", "pids"};
    struct buf missing = {0};
    bool unified = fs_exists("/sys/fs/cgroup/cgroup.controllers");
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        _cleanup_free_ char *v1 = str_printf("/sys/fs/cgroup/%s", wanted[i]);
        bool there = unified ? file_has("/sys/fs/cgroup/cgroup.controllers", wanted[i]) : fs_exists(v1);
        if (!there) {
            buf_addf(&missing, " %s", wanted[i]);
        }
    }
    if (missing.len) {
        finding_set(ret, FINDING_BAD, str_printf("cgroup controllers are missing:%s", missing.data),
                    xstrdup("boot with cgroup_enable=memory, or mount the cgroup file system"));
    } else {
        finding_set(ret, FINDING_OK, str_printf("version %d with cpu, memory, pids", unified ? 2 : 1), NULL);
    }
    buf_done(&missing);
}

/* ---- the machine ---- */

static void look_programs(struct cli *cli, struct finding *ret)
{
    static const struct {
        const char *program, *package;
    } wanted[] = {
        {"mmdebstrap", "mmdebstrap"}, {"ip", "iproute2"},  {"nft", "nftables"},     {"mount", "util-linux"},
        {"mkfs.ext4", "e2fsprogs"},   {"lxc-info", "lxc"}, {"newuidmap", "uidmap"},
    };
    static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                       "/usr/bin",        "/sbin",          "/bin"};
    struct buf missing = {0}, packages = {0};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        bool found = false;
        for (size_t d = 0; d < ARRAY_LEN(dirs) && !found; d++) {
            _cleanup_free_ char *path = str_printf("%s/%s", dirs[d], wanted[i].program);
            found = access(path, X_OK) == 0;
        }
        if (!found) {
            buf_addf(&missing, " %s", wanted[i].program);
            buf_addf(&packages, " %s", wanted[i].package);
        }
    }
    if (missing.len) {
        finding_set(ret, FINDING_BAD, str_printf("not installed:%s", missing.data),
                    str_printf("apt-get install%s", packages.data));
    } else {
        finding_set(ret, FINDING_OK, xstrdup("all there"), NULL);
    }
    buf_done(&missing);
    buf_done(&packages);
}

static int64_t meminfo_kb(const char *name)
{
    _cleanup_buf_ struct buf text = {0};
    int64_t kb = -1;
    if (fs_read("/proc/meminfo", SMALL_FILE, &text, NULL) < 0) {
        return -1;
    }
    const char *p = strstr(text.data, name);
    if (p) {
        p += strlen(name);
        p += strspn(p, ": ");
        _cleanup_free_ char *digits = xstrndup(p, strspn(p, "0123456789"));
        if (str_to_int(digits, 0, INT64_MAX / 1024, &kb) < 0) {
            kb = -1;
        }
    }
    return kb;
}

static void look_memory(struct cli *cli, struct finding *ret)
{
    int64_t free_bytes = meminfo_kb("MemAvailable") * 1024;
    _cleanup_free_ char *text = term_bytes(free_bytes < 0 ? 0 : free_bytes);
    bool enough = free_bytes >= GIB / 2;
    finding_set(ret, enough ? FINDING_OK : FINDING_WARN, str_printf("%s are available", text),
                enough ? NULL : xstrdup("a small node takes up to 512 MB: end other programs or add memory"));
}

static void look_disk(struct cli *cli, struct finding *ret)
{
    const char *path = fs_exists("/var/lib/conpaas") ? "/var/lib/conpaas" : "/var/lib";
    struct statvfs s;
    if (statvfs(path, &s) < 0) {
        finding_set(ret, FINDING_BAD, str_printf("%s cannot be looked at", path),
                    xstrdup("is /var mounted?"));
        return;
    }
    int64_t room = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
    _cleanup_free_ char *text = term_bytes(room);
    bool enough = room >= 3 * GIB;
    finding_set(ret, enough ? FINDING_OK : FINDING_BAD, str_printf("%s free below %s", text, path),
                enough ? NULL : xstrdup("3 GB are needed for the node image and the nodes: make room"));
}

/* ---- ids ---- */

int64_t doctor_subids(const char *text, const char *user)
{
    int64_t sum = 0;
    char **lines = str_split(text, '\n');
    for (char **l = lines; *l; l++) {
        char **f = str_split(*l, ':');
        int64_t n = 0;
        if (strv_len(f) == 3 && str_eq(f[0], user) && str_to_int(f[2], 0, 1LL << 32, &n) == 0) {
            sum += n;
        }
        strv_free(f);
    }
    strv_free(lines);
    return sum;
}

static void look_subids(struct cli *cli, struct finding *ret)
{
    static const char *const files[] = {"/etc/subuid", "/etc/subgid"};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        _cleanup_buf_ struct buf text = {0};
        int64_t n =
            fs_read(files[i], 1 << 20, &text, NULL) == 0 && text.data ? doctor_subids(text.data, "root") : 0;
        if (n < SUBIDS_NEEDED) {
            finding_set(
                ret, FINDING_WARN,
                str_printf("%s gives root %lld ids, a node needs %d", files[i], (long long)n, SUBIDS_NEEDED),
                xstrdup("conpaas-hostd adds its range when it starts; by hand:\n"
                        "usermod --add-subuids 1000000-9999999 --add-subgids 1000000-9999999 "
                        "root"));
            return;
        }
    }
    finding_set(ret, FINDING_OK, xstrdup("root has subordinate uids and gids"), NULL);
}

/* ---- ports, names, clock ---- */

/* 0 when the port can be had, else errno. */
static int try_port(int port)
{
    _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_ANY)}};
    if (fd < 0) {
        return errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 ? 0 : errno;
}

static void look_ports(struct cli *cli, struct finding *ret)
{
    static const int ports[] = {9999, 9998};
    struct authority director = {.ca = NULL};
    struct buf taken = {0};
    for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
        if (try_port(ports[i]) == EADDRINUSE) {
            buf_addf(&taken, "%s%d", taken.len ? " and " : "", ports[i]);
        }
    }
    if (!taken.len) {
        finding_set(ret, FINDING_OK, xstrdup("9999 (users) and 9998 (nodes) are free"), NULL);
    } else if (trust_fetch("https://127.0.0.1:9999", &director, NULL) == 0) {
        finding_set(ret, FINDING_OK,
                    str_printf("a director runs here (installation %s)", director.installation), NULL);
    } else {
        finding_set(
            ret, FINDING_BAD, str_printf("port %s is taken by another program", taken.data),
            xstrdup("`ss -ltnp` shows which; end it, or set other ports in /etc/conpaas/director.conf"));
    }
    authority_done(&director);
    buf_done(&taken);
}

#define GREETING_S 5

/* 1: an ssh server greets there. */
static int ssh_greets(const char *host, const char *port)
{
    const struct timeval limit = {.tv_sec = GREETING_S};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    char text[9] = "";
    int found = getaddrinfo(host, port, &hints, &list) == 0 ? 0 : -1;
    for (const struct addrinfo *a = list; a && found == 0; a = a->ai_next) {
        _cleanup_close_ int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)); /* of connect too */
        found = connect(fd, a->ai_addr, a->ai_addrlen) == 0 && recv(fd, text, 8, MSG_WAITALL) == 8 &&
                str_eq(text, "SSH-2.0-");
    }
    if (list) {
        freeaddrinfo(list);
    }
    return found;
}

static void look_git(struct cli *cli, struct finding *ret)
{
    _cleanup_json_ json_t *director = NULL;
    if (!cli->settings.url || cli_call(cli, "director.version", NULL, &director, NULL) < 0) {
        finding_set(ret, FINDING_OK, xstrdup("no director to ask where code is pushed to"), NULL);
        return;
    }
    const char *at = json_str(director, "git", NULL), *colon = at ? strrchr(at, ':') : NULL;
    if (!colon) {
        finding_set(ret, FINDING_OK, xstrdup("this director takes no pushes"), NULL);
        return;
    }
    bool six = at[0] == '[';
    _cleanup_free_ char *host = xstrndup(at + six, (size_t)(colon - at) - 2 * (size_t)six);
    if (ssh_greets(host, colon + 1) > 0) {
        finding_set(ret, FINDING_OK, str_printf("%s takes pushes", at), NULL);
    } else {
        finding_set(ret, FINDING_WARN, str_printf("no ssh server answers at %s: code cannot be pushed", at),
                    xstrdup("is conpaas-git running? [git] of director.conf and git.conf name its port"));
    }
}

static int resolve_host(const char *host)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int r = getaddrinfo(host, NULL, &hints, &list);
    if (r == 0) {
        freeaddrinfo(list);
    }
    return r;
}

static void look_names(struct cli *cli, struct finding *ret)
{
    char own[256] = "";
    const char *url = cli->settings.url ? strstr(cli->settings.url, "://") + 3 : NULL;
    _cleanup_free_ char *host = url && url[0] != '[' ? xstrndup(url, strcspn(url, ":")) : NULL;
    (void)gethostname(own, sizeof(own) - 1);
    if (host && resolve_host(host) != 0) {
        finding_set(ret, FINDING_BAD, str_printf("the director's name %s is not known", host),
                    xstrdup("check /etc/resolv.conf, or add the name to /etc/hosts"));
    } else if (resolve_host(own) != 0) {
        finding_set(ret, FINDING_WARN, str_printf("this machine's own name %s is not known", own),
                    str_printf("add to /etc/hosts: 127.0.1.1 %s", own));
    } else {
        finding_set(ret, FINDING_OK, str_printf("%s%s%s", own, host ? " and " : "", host ? host : ""), NULL);
    }
}

static void look_clock(struct cli *cli, struct finding *ret)
{
    int64_t now = clock_wall_ms();
    _cleanup_free_ char *text = term_time(now);
    _cleanup_json_ json_t *director = NULL;
    if (now < 1700000000000LL) {
        finding_set(ret, FINDING_BAD, str_printf("%s is in the past: no certificate would be valid", text),
                    xstrdup("set the clock: timedatectl set-ntp true"));
        return;
    }
    if (cli->settings.url && cli_call(cli, "director.version", NULL, &director, NULL) == 0) {
        int64_t off = json_int(director, "now", now) - clock_wall_ms();
        if (off > 10000 || off < -10000) {
            _cleanup_free_ char *by = term_duration(off < 0 ? -off : off);
            finding_set(ret, FINDING_WARN, str_printf("%s behind or before the director's clock", by),
                        xstrdup("timedatectl set-ntp true, on both machines"));
            return;
        }
        finding_set(ret, FINDING_OK, str_printf("%s, as the director's", text), NULL);
        return;
    }
    finding_set(ret, FINDING_OK, TAKE_PTR(text), NULL);
}

static void look_rights(struct cli *cli, struct finding *ret)
{
    bool root = geteuid() == 0;
    finding_set(ret, root ? FINDING_OK : FINDING_WARN,
                xstrdup(root ? "root" : "not root: some checks see less"),
                root ? NULL : xstrdup("sudo conpaas doctor"));
}

/* What is remembered of a login is looked at first, so that names and clock can be compared with the
 * director's. */
static void look_login(struct cli *cli, struct finding *ret)
{
    _cleanup_err_ struct err e = {0};
    _cleanup_json_ json_t *user = NULL;
    int r = cli_load(cli, &e);
    if (r < 0) {
        finding_set(ret, FINDING_BAD, xstrdup(e.message), xstrdup(e.hint ? e.hint : "conpaas login URL"));
    } else if (!cli->settings.url) {
        finding_set(ret, FINDING_OK, xstrdup("nobody is logged in here yet"), NULL);
    } else if (cli_call(cli, "user.show", NULL, &user, &e) < 0) {
        finding_set(
            ret, FINDING_WARN, str_printf("%s: %s", cli->settings.url, e.message),
            xstrdup(e.hint ? e.hint : "is the director running? its log is /var/log/conpaas/director.log"));
    } else {
        finding_set(ret, FINDING_OK,
                    str_printf("%s at %s", json_str(user, "username", ""), cli->settings.url), NULL);
    }
}

const struct doctor_check doctor_checks[] = {
    {"login", look_login},       {"rights", look_rights},         {"kernel", look_kernel},
    {"overlay", look_overlay},   {"namespaces", look_namespaces}, {"cgroups", look_cgroups},
    {"programs", look_programs}, {"memory", look_memory},         {"disk", look_disk},
    {"subids", look_subids},     {"ports", look_ports},           {"git", look_git},
    {"names", look_names},       {"clock", look_clock},           {NULL, NULL},
};
