#include "hostd/launch.h"

#include <errno.h>
#include <lxc/lxccontainer.h>
#include <sys/wait.h>

#include "base/fs.h"
#include "base/proc.h"
#include "hostd/cgroup.h"
#include "hostd/process.h"
#include "hostd/rootfs.h"

#define LAUNCH_TIMEOUT_MS 60000
#define LAUNCH_OUTPUT 8192
#define CPU_PERIOD_US 100000
#define USER_DATA_MAX 65536

#define NEW_USER "[0,268435456,SCMP_CMP_MASKED_EQ,268435456]\n" /* CLONE_NEWUSER */

/* Nothing a node needs: loading code into the kernel, the keyrings, tracing across the machine, mounts by
 * the new interface, name spaces below the node's own. */
static const char seccomp_profile[] = "2\n"
                                      "denylist\n"
                                      "reject_force_umount\n"
                                      "[all]\n"
                                      "kexec_load errno 1\n"
                                      "kexec_file_load errno 1\n"
                                      "open_by_handle_at errno 1\n"
                                      "init_module errno 1\n"
                                      "finit_module errno 1\n"
                                      "delete_module errno 1\n"
                                      "bpf errno 1\n"
                                      "perf_event_open errno 1\n"
                                      "userfaultfd errno 1\n"
                                      "add_key errno 38\n"
                                      "request_key errno 38\n"
                                      "keyctl errno 38\n"
                                      "swapon errno 1\n"
                                      "swapoff errno 1\n"
                                      "reboot errno 1\n"
                                      "acct errno 1\n"
                                      "quotactl errno 1\n"
                                      "lookup_dcookie errno 1\n"
                                      "fsopen errno 38\n"
                                      "fsmount errno 38\n"
                                      "fsconfig errno 38\n"
                                      "open_tree errno 38\n"
                                      "move_mount errno 38\n"
                                      "mount_setattr errno 38\n"
                                      "unshare errno 1 " NEW_USER "clone errno 1 " NEW_USER
                                      "clone3 errno 38\n" /* its flags cannot be seen: libc uses clone then */
                                      "io_uring_setup errno 38\n"
                                      "io_uring_enter errno 38\n"
                                      "io_uring_register errno 38\n";

/* Of the capabilities inside the node's own user name space: what its agent and engines use. */
static const char capabilities[] =
    "chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap "
    "net_bind_service net_admin net_raw ipc_lock sys_chroot sys_nice sys_resource "
    "audit_write setfcap";

static char *seccomp_path(const struct config *c)
{
    return str_printf("%s/node.seccomp", c->run);
}

int launch_prepare(const struct config *c, struct err *e)
{
    _cleanup_free_ char *path = seccomp_path(c);

    return fs_write_atomic(path, seccomp_profile, strlen(seccomp_profile), 0600, e);
}

/* ---- in the daemon ---- */

int launch_node(const struct config *c, const char *id, const char *user_data, int64_t *ret_pid,
                int64_t *ret_start, struct err *e)
{
    const char *argv[] = {"/proc/self/exe", "--node-start", id, c->path ? "--config" : NULL, c->path, NULL};
    const struct proc_spec spec = {.argv = argv, .in = -1, .out = -1, .err = -1};
    _cleanup_buf_ struct buf out = {0};
    char text[64];
    int status, r = proc_run(&spec, user_data, LAUNCH_TIMEOUT_MS, LAUNCH_OUTPUT, &out, &status, e);

    if (r < 0) {
        return err_wrap(e, r, "starting node %s", id);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        proc_status_text(status, text);
        while (out.len > 0 && out.data[out.len - 1] == '\n') {
            out.data[--out.len] = '\0';
        }
        return err_set(e, ERR_FAILED, "node %s does not start (%s): %s", id, text,
                       out.len ? out.data : "no reason given");
    }
    return record_read_started(c, id, ret_pid, ret_start, e);
}

/* ---- in the launcher ---- */

struct settings {
    struct lxc_container *lxc;
    struct err *e;
    int status;
};

/* Sets one item; after the first failure does nothing, so that a list of calls needs one check. */
PRINTF_LIKE(3, 4)
static void set(struct settings *s, const char *key, const char *fmt, ...)
{
    _cleanup_buf_ struct buf value = {0};
    va_list ap;

    va_start(ap, fmt);
    buf_vaddf(&value, fmt, ap);
    va_end(ap);
    if (s->status == 0 && !s->lxc->set_config_item(s->lxc, key, value.data)) {
        s->status = err_set(s->e, ERR_FAILED, "LXC does not take %s = %s", key, value.data);
    }
}

static void set_root(struct settings *s, const struct config *c, const struct record *n, const char *root)
{
    long long uid = (long long)config_uid(c, n->index);
    _cleanup_free_ char *seccomp = seccomp_path(c);

    set(s, "lxc.rootfs.path", "dir:%s", root);
    set(s, "lxc.uts.name", "%s", n->name);
    set(s, "lxc.idmap", "u 0 %lld %d", uid, CONFIG_UIDS_PER_NODE);
    set(s, "lxc.idmap", "g 0 %lld %d", uid, CONFIG_UIDS_PER_NODE);
    set(s, "lxc.init.cmd", "/usr/lib/conpaas/%s", c->init);
    set(s, "lxc.init.cwd", "/");
    set(s, "lxc.environment", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    set(s, "lxc.environment", "LANG=C.UTF-8");
    set(s, "lxc.autodev", "1");
    set(s, "lxc.tty.max", "0");
    set(s, "lxc.pty.max", "256");
    set(s, "lxc.mount.auto", "proc:mixed sys:ro");
    set(s, "lxc.mount.entry", "run run tmpfs nosuid,nodev,mode=0755,size=64m,create=dir 0 0");
    set(s, "lxc.mount.entry", "shm dev/shm tmpfs nosuid,nodev,mode=1777,size=64m,create=dir 0 0");
    set(s, "lxc.cap.keep", "%s", capabilities);
    set(s, "lxc.no_new_privs", "1");
    set(s, "lxc.seccomp.profile", "%s", seccomp);
    if (fs_exists("/sys/kernel/security/apparmor")) {
        set(s, "lxc.apparmor.profile", "%s", c->apparmor);
    }
}

static void set_net(struct settings *s, const struct config *c, const struct record *n)
{
    char ifname[CONFIG_IFNAME], mac[18], address[CONFIG_ADDRESS], gateway[CONFIG_ADDRESS],
        broadcast[CONFIG_ADDRESS];

    config_ifname(c, n->index, ifname);
    config_mac(c, n->index, mac);
    config_address(c, n->index, address);
    config_address(c, 0, gateway);
    config_address(c, (int64_t)(0xffffffffu >> c->prefix) - 1, broadcast);
    set(s, "lxc.net.0.type", "veth");
    set(s, "lxc.net.0.link", "%s", c->bridge);
    set(s, "lxc.net.0.flags", "up");
    set(s, "lxc.net.0.name", "eth0");
    set(s, "lxc.net.0.veth.pair", "%s", ifname);
    set(s, "lxc.net.0.hwaddr", "%s", mac);
    set(s, "lxc.net.0.ipv4.address", "%s/%d %s", address, c->prefix, broadcast);
    set(s, "lxc.net.0.ipv4.gateway", "%s", gateway);
}

/* Both key families are set; LXC takes those of the hierarchies it finds. */
static void set_limits(struct settings *s, const struct config *c, const struct record *n)
{
    long long bytes = (long long)n->memory_mb << 20,
              quota = (long long)n->millicores * (CPU_PERIOD_US / 1000);

    set(s, "lxc.cgroup.dir.monitor", "%s/%s.monitor", c->cgroup, n->id);
    set(s, "lxc.cgroup.dir.monitor.pivot", "%s/%s.pivot", c->cgroup, n->id);
    set(s, "lxc.cgroup.dir.container", "%s/%s", c->cgroup, n->id);
    set(s, "lxc.cgroup.memory.limit_in_bytes", "%lld", bytes);
    if (cgroup_v1_has("memory", "memory.memsw.limit_in_bytes")) {
        set(s, "lxc.cgroup.memory.memsw.limit_in_bytes", "%lld", bytes);
    }
    set(s, "lxc.cgroup.cpu.cfs_period_us", "%d", CPU_PERIOD_US);
    set(s, "lxc.cgroup.cpu.cfs_quota_us", "%lld", quota);
    set(s, "lxc.cgroup.pids.max", "%lld", (long long)n->pids);
    set(s, "lxc.cgroup2.memory.max", "%lld", bytes);
    if (cgroup_v2_has(c, "memory.swap.max")) {
        set(s, "lxc.cgroup2.memory.swap.max", "0");
    }
    set(s, "lxc.cgroup2.cpu.max", "%lld %d", quota, CPU_PERIOD_US);
    set(s, "lxc.cgroup2.pids.max", "%lld", (long long)n->pids);
}

static void set_logs(struct settings *s, const struct config *c, const struct record *n)
{
    _cleanup_free_ char *log = record_path(c, n->id, "lxc.log"),
                        *console = record_path(c, n->id, "console.log");

    set(s, "lxc.log.file", "%s", log);
    set(s, "lxc.log.level", "WARN");
    /* A node outlives its monitor. */
    set(s, "lxc.monitor.signal.pdeath", "0");
    set(s, "lxc.console.logfile", "%s", console);
    set(s, "lxc.console.size", "128KB");
}

/* Why it did not start: the last lines of LXC's log. */
static int start_failed(const struct config *c, const char *id, struct err *e)
{
    _cleanup_free_ char *log = record_path(c, id, "lxc.log");
    _cleanup_buf_ struct buf tail = {0};

    if (fs_tail(log, 12, 3000, &tail, NULL) < 0 || tail.len == 0) {
        return err_set(e, ERR_FAILED, "LXC does not start it and says nothing in %s", log);
    }
    return err_set(e, ERR_FAILED, "LXC: %s", tail.data);
}

static void put_container(struct lxc_container **c)
{
    if (*c) {
        (void)lxc_container_put(*c);
    }
}

static int start(const struct config *c, const struct record *n, const char *root, struct err *e)
{
    __attribute__((cleanup(put_container))) struct lxc_container *lxc = lxc_container_new(n->id, c->run);
    struct settings s = {.lxc = lxc, .e = e};
    int64_t pid, started;

    if (!lxc) {
        return err_set(e, ERR_FAILED, "LXC makes no container object");
    }
    set_logs(&s, c, n);
    set_root(&s, c, n, root);
    set_net(&s, c, n);
    set_limits(&s, c, n);
    if (s.status < 0) {
        return s.status;
    }
    /* Finding newuidmap, LXC would run it twice through a shell; root writes the maps itself. */
    (void)unsetenv("PATH");
    (void)lxc->want_daemonize(lxc, true);
    (void)lxc->want_close_all_fds(lxc, true);
    if (!lxc->start(lxc, 0, NULL)) {
        return start_failed(c, n->id, e);
    }
    pid = lxc->init_pid(lxc);
    started = pid > 0 ? process_start(pid) : 0;
    if (started == 0) {
        return err_set(e, ERR_FAILED, "the node's first program ended at once; see %s/nodes/%s/console.log",
                       c->state, n->id);
    }
    return record_write_started(c, n->id, pid, started, e);
}

int launch_main(const struct config *c, const char *id, struct err *e)
{
    _cleanup_buf_ struct buf user_data = {0};
    _cleanup_free_ char *root = NULL;
    struct record n;
    int r;

    if (!record_id_ok(id)) {
        return err_set(e, ERR_INVALID, "not the id of a node");
    }
    if ((r = fs_read("/dev/stdin", USER_DATA_MAX, &user_data, e)) < 0 ||
        (r = record_read(c, id, &n, e)) < 0 ||
        (r = rootfs_mount(c, &n, user_data.data ? user_data.data : "", &root, e)) < 0) {
        return r;
    }
    return start(c, &n, root, e);
}
