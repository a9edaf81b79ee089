/*
 * Volumes of a document.  The cloud has mounted each at VOLUMES/vID before the document that names it; the agent
 * gives it to an engine as its data directory, or shows it as MEDIA/NAME, and ends whoever uses what is to leave.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/stat.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/fs.h"
#include "base/log.h"

#define WEB_USER "www-data"
#define USERS_TERM_MS 3000  /* what uses a volume that leaves may end by itself for so long */
#define USERS_KILL_MS 10000 /* then it is killed; all of it has to be over by then */
#define LOOK_MS 100

static const struct log_ctx here = {.logger = "agent.volumes"};

static char *place_of(const struct agent *a, const json_t *volume)
{
    return str_printf("%s/v%lld", a->volumes_root, (long long)json_int(volume, "id", 0));
}

/* Something is mounted there: it is on another file system than the directory above. */
static int check_mounted(const struct agent *a, const char *path, struct err *e)
{
    struct stat own, above;
    if (stat(path, &own) == 0 && stat(a->volumes_root, &above) == 0 && own.st_dev != above.st_dev) {
        return 0;
    }
    return err_set(e, ERR_UNAVAILABLE, "the volume at %s is not there yet", path);
}

static const struct json_field volume_fields[] = {
    {.name = "id", .kind = JSON_F_INT, .offset = 0, .required = true, .min = 1, .max = INT64_MAX},
    {0},
};

static bool plain_name(const char *s)
{
    size_t n = strlen(s);
    return n > 0 && n <= NAME_MAX_LEN && s[0] != '.' && !strchr(s, '/');
}

/* MEDIA/NAME leads to the volume, which belongs to the user that scripts run as. */
static int show(const struct agent *a, const char *place, const char *name, struct err *e)
{
    const struct passwd *web = getpwnam(WEB_USER);
    _cleanup_free_ char *link = str_printf("%s/%s", a->media_root, name);
    char now[512];
    ssize_t n = readlink(link, now, sizeof(now) - 1);
    if (n > 0 && (size_t)n == strlen(place) && strncmp(now, place, (size_t)n) == 0) {
        return 0;
    }
    struct stat st;
    if (web && stat(place, &st) == 0 && st.st_uid == 0 && chown(place, web->pw_uid, web->pw_gid) != 0) {
        return err_errno(e, errno, "%s", place);
    }
    int r = fs_mkdirs(a->media_root, 0755, e);
    if (r < 0) {
        return r;
    }
    if (n >= 0 && unlink(link) != 0) {
        return err_errno(e, errno, "%s", link);
    }
    return symlink(place, link) == 0 ? 0 : err_errno(e, errno, "%s", link);
}

static int prepare_one(struct agent *a, const json_t *volume, struct err *e)
{
    int64_t id = 0;
    const char *engine = json_str(volume, "engine", NULL), *media = json_str(volume, "media", NULL);
    _cleanup_json_ json_t *only_id = json_pack("{s:O?}", "id", json_object_get(volume, "id"));
    int r = json_read(only_id, volume_fields, &id, e);
    if (r < 0) {
        return err_wrap(e, r, "volumes");
    }
    if (!(engine ? plain_name(engine) : media && plain_name(media))) {
        return err_set(e, ERR_INVALID, "volume %lld has no name", (long long)id);
    }
    _cleanup_free_ char *place = place_of(a, volume);
    if ((r = check_mounted(a, place, e)) < 0) {
        return r;
    }
    if (media) {
        return show(a, place, media, e);
    }
    _cleanup_free_ char *data = str_printf("%s/data", place);
    return fs_mkdirs(data, 0755, e);
}

int volumes_prepare(struct agent *a, const json_t *document, struct err *e)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(document, "volumes"), i, v)
    {
        int r = prepare_one(a, v, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

char *volumes_data_root(const struct agent *a, const json_t *document, const char *engine)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(document, "volumes"), i, v)
    {
        if (str_eq(json_str(v, "engine", ""), engine)) {
            _cleanup_free_ char *place = place_of(a, v);
            return str_printf("%s/data", place);
        }
    }
    return NULL;
}

/* ---- what is to leave ---- */

/* A link of /proc leads to the file system of dev. */
static bool leads_to(const char *path, dev_t dev)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_dev == dev;
}

static bool has_open(pid_t pid, dev_t dev)
{
    _cleanup_free_ char *dir = str_printf("/proc/%d/fd", (int)pid);
    DIR *d = opendir(dir);
    bool found = false;
    for (struct dirent *x = d ? readdir(d) : NULL; x && !found; x = readdir(d)) {
        _cleanup_free_ char *path = str_printf("%s/%s", dir, x->d_name);
        found = x->d_name[0] != '.' && leads_to(path, dev);
    }
    if (d) {
        closedir(d);
    }
    return found;
}

static bool leads_anywhere(pid_t pid, dev_t dev)
{
    static const char *const links[] = {"cwd", "root", "exe"};
    for (size_t i = 0; i < ARRAY_LEN(links); i++) {
        _cleanup_free_ char *path = str_printf("/proc/%d/%s", (int)pid, links[i]);
        if (leads_to(path, dev)) {
            return true;
        }
    }
    return has_open(pid, dev);
}

/* The node's root may not trace others: this thread looks as the process' own user. */
static bool uses(pid_t pid, dev_t dev)
{
    _cleanup_free_ char *path = str_printf("/proc/%d", (int)pid);
    struct stat st;
    if (stat(path, &st) != 0) {
        return false;
    }
    (void)setfsgid(st.st_gid);
    (void)setfsuid(st.st_uid);
    bool found = leads_anywhere(pid, dev);
    (void)setfsuid(0);
    (void)setfsgid(0);
    return found;
}

/* Sends signal to all that use the file system; returns how many there are. */
static int signal_users(dev_t dev, int signal)
{
    DIR *d = opendir("/proc");
    int n = 0;
    for (struct dirent *x = d ? readdir(d) : NULL; x; x = readdir(d)) {
        int64_t pid;
        if (str_to_int(x->d_name, 2, INT32_MAX, &pid) == 0 && pid != getpid() && uses((pid_t)pid, dev)) {
            n++;
            (void)kill((pid_t)pid, signal);
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

int volumes_end_users(const char *place, struct err *e)
{
    struct stat st;
    if (stat(place, &st) != 0) {
        return 0;
    }
    int64_t begun = clock_mono_ms();
    for (int n = signal_users(st.st_dev, SIGTERM); n > 0;) {
        int64_t age = clock_mono_ms() - begun;
        if (age > USERS_KILL_MS) {
            return err_set(e, ERR_TIMEOUT, "%d processes that use the volume at %s do not end", n, place);
        }
        struct timespec pause = {.tv_nsec = LOOK_MS * 1000 * 1000};
        nanosleep(&pause, NULL);
        n = signal_users(st.st_dev, age > USERS_TERM_MS ? SIGKILL : 0);
    }
    return 0;
}

static bool named(const json_t *document, int64_t id)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(document, "volumes"), i, v)
    {
        if (json_int(v, "id", 0) == id) {
            return true;
        }
    }
    return false;
}

int volumes_leave(struct agent *a, const json_t *before, const json_t *document, struct err *e)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(before, "volumes"), i, v)
    {
        const char *media = json_str(v, "media", NULL);
        if (named(document, json_int(v, "id", 0))) {
            continue;
        }
        _cleanup_free_ char *place = place_of(a, v);
        if (media && plain_name(media)) {
            _cleanup_free_ char *link = str_printf("%s/%s", a->media_root, media);
            if (unlink(link) != 0 && errno != ENOENT) {
                return err_errno(e, errno, "%s", link);
            }
        }
        if (check_mounted(a, place, NULL) < 0) {
            continue; /* it has gone already */
        }
        log_info(&here, "volume %lld leaves", (long long)json_int(v, "id", 0));
        int r = volumes_end_users(place, e);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}
