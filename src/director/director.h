/*
 * The director: what its parts share.  One of it a process; passed down, never global.
 */
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "cloud/cloud_driver.h"
#include "director/ca.h"
#include "director/config.h"
#include "director/limit.h"
#include "director/reader.h"
#include "director/seal.h"
#include "director/world.h"
#include "net/http_server.h"
#include "store/store.h"

#define CLOUDS_MAX 16

/* A configured cloud. One that can not be opened is kept with the reason: its nodes are still on record. */
struct director_cloud {
    char name[CLOUD_NAME_MAX];
    char driver[CLOUD_NAME_MAX];
    bool available;
    char *reason;
    struct cloud cloud;
    const struct cloud_type *types; /* borrowed from the driver */
    size_t n_types;
};

struct provision;
struct jobs;
struct job_fetches;
struct git_link;

struct director {
    struct config config;
    const char *config_path;
    struct store *store;
    struct store_info info;
    struct ca *ca;
    struct seal seal; /* of secrets */
    struct world *world;
    int n_clouds;
    struct director_cloud clouds[CLOUDS_MAX];
    struct limit *login_limit, *register_limit;
    struct gate uploads;            /* bodies on the disk and archives being read, by user */
    pthread_mutex_t artifacts;      /* see artifact_lock */
    sem_t hashing;                  /* how many passwords are hashed at once */
    char *url;                      /* how people reach it, no slash at the end */
    char *node_name, *node_address; /* name in the certificate, ADDRESS:PORT for nodes */
    int64_t started_ms;
    atomic_bool recovery; /* after a restore: nothing is created or destroyed */
    atomic_int_fast64_t next_question;

    struct http_server *users, *nodes;
    struct reader reader; /* of archives */
    struct provision *provision;
    struct jobs *jobs;
    struct job_fetches *fetches;
    struct git_link *git; /* the socket of conpaas-git, NULL: none */
    pthread_t ticker;
    pthread_mutex_t tick_lock;
    pthread_cond_t tick;
    bool open, ticker_runs, woken;
    atomic_bool ready, stopping;
    int lock_fd; /* of the data directory */
};

/* Everything but the listeners and threads: also what the administrator's commands use. */
int director_open(struct director *d, const char *config_path, struct err *e) WARN_UNUSED;
/* Clouds, world, listeners, threads. */
int director_start(struct director *d, struct err *e) WARN_UNUSED;
/* Comes to an end in order: no new requests, those under way end, threads, store. Fine after a failed start.
 */
void director_stop(struct director *d);

/* Something may be due earlier than the ticker thinks. */
void director_wake(struct director *d);
struct director_cloud *director_cloud(struct director *d, const char *name);
/* The instance type's name; for "" the cloud's default, its first. */
const char *director_type(struct director *d, const char *cloud, const char *type);
/* Millicredits an hour of a type of a cloud; "" is the default type. */
int64_t director_price(struct director *d, const char *cloud, const char *type);
/* The name if it is a configured and available cloud, the default for NULL. */
int director_pick_cloud(struct director *d, const char *name, const char **ret, struct err *e) WARN_UNUSED;
