#include "api/calls.h"

#include "model/state.h"

// clang-format off

/* ---- arguments that many calls share ---- */

#define PATH_ARG(word, of, text) \
    {.name = (word), .in = IN_PATH, .kind = PARAM_ID, .required = true, .thing = (of), .help = (text)}
#define ARG_USER PATH_ARG("user", THING_USER, "user, by name or id")
#define ARG_APP PATH_ARG("app", THING_APP, "application, by name or id")
#define ARG_SERVICE PATH_ARG("service", THING_SERVICE, "service, by name, APPLICATION/NAME or id")
#define ARG_NODE PATH_ARG("node", THING_NODE, "node, by id or address")
#define ARG_VERSION PATH_ARG("version", THING_VERSION, "code version, by name or id")
#define ARG_OPERATION PATH_ARG("operation", THING_OPERATION, "operation, by id")
#define ARG_TOKEN PATH_ARG("token", THING_TOKEN, "token, by name or id")
#define ARG_JOB PATH_ARG("job", THING_JOB, "job, by id")
#define ARG_MANIFEST \
    {.name = "manifest", .in = IN_BODY, .kind = PARAM_LINES, .required = true, .positional = true, .from_file = true, \
     .min = 1, .max = 262144, .help = "file with the manifest; - is the standard input"}
#define ARG_MANIFEST_NAME \
    {.name = "name", .in = IN_BODY, .kind = PARAM_NAME, .help = "application, instead of the one that the manifest names"}
#define ARG_HASHES \
    {.name = "files", .in = IN_BODY, .kind = PARAM_HASHES, .program_only = true, \
     .help = "SHA-256 of the files of the client's machine: {\"file:PATH\": \"HEX\"}"}
#define ARG_PRUNE \
    {.name = "prune", .in = IN_BODY, .kind = PARAM_BOOL, .fallback = "false", \
     .help = "services of the application that are not in the manifest go, with their code"}
#define ARG_NEW \
    {.name = "new", .in = IN_BODY, .kind = PARAM_BOOL, .fallback = "false", \
     .help = "never change an application that exists: a taken name gets a number"}
#define ARG_VOLUME \
    {.name = "volume", .in = IN_BODY, .kind = PARAM_TEXT, .required = true, .positional = true, .min = 1, .max = 64, \
     .help = "its name: A-Z a-z 0-9 _ -"}
/* Every accepted change takes these two. */
#define ARG_EXPECT_GEN \
    {.name = "expect_gen", \
     .in = IN_BODY, \
     .kind = PARAM_INT, \
     .min = 1, \
     .max = INT64_MAX, \
     .program_only = true, \
     .help = "refuse (stale) when the service's generation is another one by now"}
#define ARG_SUPERSEDE \
    {.name = "supersede", \
     .in = IN_BODY, \
     .kind = PARAM_BOOL, \
     .fallback = "false", \
     .help = "end a running operation of the same kind (it becomes CANCELLED) instead of being refused"}
#define ARG_PARAMETERS \
    {.name = "parameters", .in = IN_BODY, .kind = PARAM_TEXT, .max = 511, .letter = 'p', \
     .help = "arguments of the script, split at blanks"}
#define ARG_PASSWORD \
    {.name = "password", .in = IN_BODY, .kind = PARAM_SECRET, .required = true, .min = 8, .max = 256, \
     .help = "at least 8 bytes"}
#define QUERY_ID(word, of, text) \
    {.name = (word), .in = IN_QUERY, .kind = PARAM_ID, .thing = (of), .help = (text)}
#define ARG_LIMIT \
    {.name = "limit", .in = IN_QUERY, .kind = PARAM_INT, .min = 1, .max = 1000, .fallback = "100", \
     .help = "at most so many, the newest"}

/* ERROR counts as down where the user mends it: another version, another setting, another try. */
#define UP (IN_STATE(SERVICE_RUNNING) | IN_STATE(SERVICE_ADAPTING))
#define DOWN (IN_STATE(SERVICE_INIT) | IN_STATE(SERVICE_STOPPED) | IN_STATE(SERVICE_ERROR))

const struct call calls[] = {
    /* ---- director ---- */
    {
        .id = "director.version", .method = "GET", .path = "/v1/version", .who = WHO_ANYONE,
        .noun = "director", .verb = "version", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "director",
        .summary = "Show the version of the director",
        .example = "conpaas director version",
    },
    {
        .id = "director.ca", .method = "GET", .path = "/v1/ca", .who = WHO_ANYONE,
        .noun = "director", .verb = "ca", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "authority",
        .summary = "Show the certificate authority of the installation",
        .detail = "`conpaas login` fetches it once, shows the fingerprint and trusts only it from\n"
                  "then on.",
        .example = "conpaas director ca",
    },
    {
        .id = "director.status", .method = "GET", .path = "/v1/director", .who = WHO_ADMIN,
        .noun = "director", .verb = "status", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "status",
        .summary = "Show the health of the director and its alarms",
        .example = "conpaas director status",
    },
    {
        .id = "director.reconcile", .method = "POST", .path = "/v1/director/reconcile", .who = WHO_ADMIN,
        .noun = "director", .verb = "reconcile", .class = CLASS_ONE_WAY, .status = 200,
        .answer = ANSWER_JSON, .object = "status",
        .summary = "End the recovery mode after a restore",
        .detail = "A restored director creates and destroys nothing until the managers have\n"
                  "reported and an administrator says that its records are right. Nodes that no\n"
                  "record knows are then removed.",
        .example = "conpaas director reconcile",
    },
    /* ---- users ---- */
    {
        .id = "user.register", .method = "POST", .path = "/v1/users", .who = WHO_ANYONE,
        .noun = "user", .verb = "register", .class = CLASS_POLICY, .body = BODY_JSON, .status = 201,
        .answer = ANSWER_JSON, .object = "user", .guarded = true,
        .summary = "Make an account",
        .detail = "The password is asked for, or read from the first line of standard input when\n"
                  "that is no terminal. An administrator may ask for more credit than the limit,\n"
                  "and for another rank.",
        .example = "conpaas user register ada ada@example.org --first-name Ada --last-name Lovelace",
        .params = {
            {.name = "username", .in = IN_BODY, .kind = PARAM_USERNAME, .required = true, .positional = true,
             .help = "1 to 32 of a-z 0-9 _ -, begins with a letter"},
            {.name = "email", .in = IN_BODY, .kind = PARAM_EMAIL, .required = true, .positional = true,
             .help = "e-mail address"},
            ARG_PASSWORD,
            {.name = "first_name", .in = IN_BODY, .kind = PARAM_TEXT, .max = 256, .help = "first name"},
            {.name = "last_name", .in = IN_BODY, .kind = PARAM_TEXT, .max = 256, .help = "last name"},
            {.name = "affiliation", .in = IN_BODY, .kind = PARAM_TEXT, .max = 256,
             .help = "where you work or study"},
            {.name = "credit", .in = IN_BODY, .kind = PARAM_INT, .min = 0, .max = 1000000000,
             .help = "credits to begin with; at most what the installation allows"},
            {.name = "rank", .in = IN_BODY, .kind = PARAM_CHOICE, .words = "user admin",
             .help = "administrators only"},
        },
    },
    {
        .id = "user.login", .method = "POST", .path = "/v1/login", .who = WHO_ANYONE,
        .noun = "user", .verb = "login", .class = CLASS_POLICY, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "login", .guarded = true,
        .summary = "Log in with a password",
        .detail = "On the command line use `conpaas login URL`, which also learns whom to trust\n"
                  "and remembers the token.",
        .example = "conpaas login https://conpaas.example.org:9999 --username ada",
        .params = {
            {.name = "username", .in = IN_BODY, .kind = PARAM_USERNAME, .required = true, .positional = true,
             .help = "your user name"},
            {.name = "password", .in = IN_BODY, .kind = PARAM_SECRET, .required = true, .min = 1, .max = 256,
             .help = "your password"},
            {.name = "cookie", .in = IN_BODY, .kind = PARAM_BOOL, .fallback = "false", .program_only = true,
             .help = "set a session cookie (for pages) instead of answering a token"},
        },
    },
    {
        .id = "user.logout", .method = "POST", .path = "/v1/logout", .who = WHO_USER,
        .noun = "user", .verb = "logout", .class = CLASS_POLICY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "End this session: its token or cookie is worth nothing any more",
        .example = "conpaas logout",
    },
    {
        .id = "user.show", .method = "GET", .path = "/v1/user", .who = WHO_USER,
        .noun = "user", .verb = "show", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "user",
        .summary = "Show who is logged in, with credit",
        .example = "conpaas user show",
    },
    {
        .id = "user.passwd", .method = "POST", .path = "/v1/user/password", .who = WHO_USER,
        .noun = "user", .verb = "passwd", .class = CLASS_POLICY, .body = BODY_JSON, .status = 204,
        .answer = ANSWER_EMPTY, .guarded = true,
        .summary = "Change your password",
        .detail = "All other sessions and tokens of the account end.",
        .example = "conpaas user passwd",
        .params = {
            {.name = "old", .in = IN_BODY, .kind = PARAM_SECRET, .required = true, .min = 1, .max = 256,
             .help = "present password"},
            {.name = "new", .in = IN_BODY, .kind = PARAM_SECRET, .required = true, .min = 8, .max = 256,
             .help = "new password, at least 8 bytes"},
        },
    },
    {
        .id = "user.list", .method = "GET", .path = "/v1/users", .who = WHO_ADMIN,
        .noun = "user", .verb = "list", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "user", .list = "users",
        .summary = "List all accounts with their credit",
        .example = "conpaas user list",
    },
    {
        .id = "user.credit", .method = "POST", .path = "/v1/users/{user}/credit", .who = WHO_ADMIN,
        .noun = "user", .verb = "credit", .class = CLASS_POLICY, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "user",
        .summary = "Give credits to a user, or take them",
        .detail = "The balance never becomes negative: taking more than there is takes what there\n"
                  "is.",
        .example = "conpaas user credit ada 500",
        .params = {
            ARG_USER,
            {.name = "amount", .in = IN_BODY, .kind = PARAM_INT, .required = true, .min = -1000000000,
             .max = 1000000000,
             .positional = true, .help = "credits; negative takes them"},
        },
    },
    {
        .id = "user.delete", .method = "DELETE", .path = "/v1/users/{user}", .who = WHO_ADMIN,
        .noun = "user", .verb = "delete", .class = CLASS_ONE_WAY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "Delete an account that has no applications",
        .example = "conpaas user delete ada",
        .params = {ARG_USER},
    },
    /* ---- tokens ---- */
    {
        .id = "token.create", .method = "POST", .path = "/v1/tokens", .who = WHO_USER,
        .noun = "token", .verb = "create", .class = CLASS_POLICY, .body = BODY_JSON, .status = 201,
        .answer = ANSWER_JSON, .object = "new_token",
        .summary = "Make a token for a program",
        .detail = "It is shown once. A program passes it as `Authorization: Bearer TOKEN`, or to\n"
                  "`conpaas` in CONPAAS_TOKEN.",
        .example = "conpaas token create ci --days 90",
        .params = {
            {.name = "name", .in = IN_BODY, .kind = PARAM_NAME, .required = true, .positional = true,
             .help = "what it is for"},
            {.name = "days", .in = IN_BODY, .kind = PARAM_INT, .min = 1, .max = 3650,
             .help = "days until it ends; without it, it does not"},
        },
    },
    {
        .id = "token.list", .method = "GET", .path = "/v1/tokens", .who = WHO_USER,
        .noun = "token", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "token", .list = "tokens",
        .summary = "List your tokens and sessions",
        .example = "conpaas token list",
    },
    {
        .id = "token.revoke", .method = "DELETE", .path = "/v1/tokens/{token}", .who = WHO_OWNER,
        .noun = "token", .verb = "revoke", .class = CLASS_ONE_WAY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "End a token at once",
        .example = "conpaas token revoke ci",
        .params = {ARG_TOKEN},
    },
    /* ---- credit ---- */
    {
        .id = "credit.show", .method = "GET", .path = "/v1/credit", .who = WHO_USER,
        .noun = "credit", .verb = "show", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "credit",
        .summary = "Show your credits, what runs costs, and the ledger",
        .detail = "One credit pays one node for one started hour. The hour is reserved before it\n"
                  "begins, the first one when the node is made; the application's manager counts\n"
                  "like any node.",
        .example = "conpaas credit",
        .params = {
            ARG_LIMIT,
            {.name = "before", .in = IN_QUERY, .kind = PARAM_INT, .min = 1, .max = INT64_MAX,
             .help = "only entries older than this id: the next page"},
        },
    },
    /* ---- applications ---- */
    {
        .id = "app.create", .method = "POST", .path = "/v1/apps", .who = WHO_USER,
        .noun = "app", .verb = "create", .class = CLASS_POLICY, .body = BODY_JSON, .status = 201,
        .answer = ANSWER_JSON, .object = "app",
        .summary = "Create an application: a composition of services",
        .detail = "It costs nothing until its first service is created; then its manager gets a\n"
                  "node.",
        .example = "conpaas app create shop",
        .params = {
            {.name = "name", .in = IN_BODY, .kind = PARAM_NAME, .required = true, .positional = true,
             .help = "unique among your applications"},
            {.name = "cloud", .in = IN_BODY, .kind = PARAM_WORD_ID,
             .help = "where its manager runs; without it, the default cloud"},
        },
    },
    {
        .id = "app.list", .method = "GET", .path = "/v1/apps", .who = WHO_USER,
        .noun = "app", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "app", .list = "apps",
        .summary = "List your applications",
        .example = "conpaas app list",
    },
    {
        .id = "app.show", .method = "GET", .path = "/v1/apps/{app}", .who = WHO_OWNER,
        .noun = "app", .verb = "show", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "app",
        .summary = "Show an application and its manager",
        .example = "conpaas app show shop",
        .params = {ARG_APP},
    },
    {
        .id = "app.rename", .method = "PATCH", .path = "/v1/apps/{app}", .who = WHO_OWNER,
        .noun = "app", .verb = "rename", .class = CLASS_POLICY, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "app",
        .summary = "Rename an application",
        .example = "conpaas app rename shop web-shop",
        .params = {
            ARG_APP,
            {.name = "name", .in = IN_BODY, .kind = PARAM_NAME, .required = true, .positional = true,
             .help = "the new name"},
        },
    },
    {
        .id = "app.start", .method = "POST", .path = "/v1/apps/{app}/start", .who = WHO_OWNER,
        .noun = "app", .verb = "start", .class = CLASS_OVERRIDE,
        .on_failure = FAILURE_RETRY, .status = 200, .answer = ANSWER_JSON, .object = "app",
        .summary = "Start the manager of a stopped application",
        .detail = "Its services stay stopped until they are started; starting one starts the\n"
                  "manager as well.",
        .example = "conpaas app start shop",
        .params = {ARG_APP},
    },
    {
        .id = "app.stop", .method = "POST", .path = "/v1/apps/{app}/stop", .who = WHO_OWNER,
        .noun = "app", .verb = "stop", .class = CLASS_OVERRIDE,
        .on_failure = FAILURE_RETRY, .status = 200, .answer = ANSWER_JSON, .object = "app",
        .summary = "Stop all services of an application, then its manager",
        .detail = "Afterwards it costs nothing. Services, settings and code are kept.",
        .example = "conpaas app stop shop",
        .params = {ARG_APP},
    },
    {
        .id = "app.delete", .method = "DELETE", .path = "/v1/apps/{app}", .who = WHO_OWNER,
        .noun = "app", .verb = "delete", .class = CLASS_ONE_WAY,
        .on_failure = FAILURE_RETRY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "Delete an application with all its services, nodes and code",
        .detail = "Running operations are cancelled. The application is listed until its last\n"
                  "node is gone.",
        .example = "conpaas app delete shop",
        .params = {ARG_APP},
    },
    {
        .id = "app.events", .method = "GET", .path = "/v1/apps/{app}/events", .who = WHO_OWNER,
        .noun = "events", .verb = "follow", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_EVENTS,
        .summary = "Follow what happens in an application",
        .detail = "Server-sent events. Event names: `history`, `operation`, `job`, `service`,\n"
                  "`node`, `app`, each with that object as its data, and `gone` with {\"kind\":\n"
                  "\"service\" or \"node\" or \"app\", \"id\": ID}. The id of a history event is\n"
                  "that of its line; after a lost connection pass the last one as `after` (or in\n"
                  "Last-Event-ID) and nothing is missed. Without it the stream begins with the\n"
                  "state of every service and operation under way.",
        .example = "conpaas events shop",
        .params = {
            ARG_APP,
            {.name = "after", .in = IN_QUERY, .kind = PARAM_INT, .min = 0, .max = INT64_MAX,
             .help = "id of the last history line that is known"},
        },
    },
    /* ---- keys ---- */
    {
        .id = "key.list", .method = "GET", .path = "/v1/apps/{app}/keys", .who = WHO_OWNER,
        .noun = "key", .verb = "list", .deck = "list_authorized_keys", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "key", .list = "keys",
        .summary = "List the keys that may push code to an application",
        .example = "conpaas key list shop",
        .params = {ARG_APP},
    },
    {
        .id = "key.add", .method = "POST", .path = "/v1/apps/{app}/keys", .who = WHO_OWNER,
        .noun = "key", .verb = "add", .deck = "upload_authorized_key", .class = CLASS_POLICY, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "added_keys",
        .summary = "Allow public keys to push code to an application",
        .detail = "Lines as in an authorized_keys file, without options; a key that is there\n"
                  "already is not added again. `conpaas git show SERVICE` says where to push.",
        .example = "conpaas key add shop \"$(cat ~/.ssh/id_ed25519.pub)\"",
        .params = {
            ARG_APP,
            {.name = "keys", .in = IN_BODY, .kind = PARAM_LINES, .required = true, .positional = true, .max = 65536,
             .help = "a line for each key: type, key, comment"},
        },
    },
    {
        .id = "key.remove", .method = "DELETE", .path = "/v1/apps/{app}/keys", .who = WHO_OWNER,
        .noun = "key", .verb = "remove", .class = CLASS_POLICY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "Take a key's right to push code away",
        .example = "conpaas key remove shop ann@laptop",
        .params = {
            ARG_APP,
            {.name = "key", .in = IN_QUERY, .kind = PARAM_TEXT, .required = true, .positional = true, .min = 1, .max = 2000,
             .help = "its comment, or the key itself"},
        },
    },
    /* ---- services ---- */
    {
        .id = "service.create", .method = "POST", .path = "/v1/services", .who = WHO_USER,
        .noun = "service", .verb = "create", .class = CLASS_POLICY, .body = BODY_JSON, .status = 201,
        .answer = ANSWER_JSON, .object = "service",
        .summary = "Create a service",
        .detail = "Without --app it gets an application of its own, with the service's name. The\n"
                  "first service of an application starts the application's manager, a node that\n"
                  "costs 1 credit an hour like any other.",
        .example = "conpaas service create php shop\nconpaas service create php api --app shop",
        .params = {
            {.name = "type", .in = IN_BODY, .kind = PARAM_WORD_ID, .required = true, .positional = true,
             .help = "service type, see `conpaas type list`"},
            {.name = "name", .in = IN_BODY, .kind = PARAM_NAME, .positional = true,
             .help = "without it: New TYPE service"},
            {.name = "app", .in = IN_BODY, .kind = PARAM_ID, .thing = THING_APP,
             .help = "application, by name or id"},
            {.name = "cloud", .in = IN_BODY, .kind = PARAM_WORD_ID,
             .help = "where its nodes are made; without it, the application's"},
        },
    },
    {
        .id = "service.list", .method = "GET", .path = "/v1/services", .who = WHO_USER,
        .noun = "service", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "service", .list = "services",
        .summary = "List your services",
        .example = "conpaas service list\nconpaas service list --app shop",
        .params = {QUERY_ID("app", THING_APP, "only those of this application")},
    },
    {
        .id = "service.show", .method = "GET", .path = "/v1/services/{service}", .who = WHO_OWNER,
        .noun = "service", .verb = "show", .deck = "get_service_info", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "service",
        .summary = "Show a service: state, addresses, nodes, code, what is under way",
        .example = "conpaas service show shop",
        .params = {ARG_SERVICE},
    },
    {
        .id = "service.rename", .method = "PATCH", .path = "/v1/services/{service}", .who = WHO_OWNER,
        .noun = "service", .verb = "rename", .class = CLASS_POLICY, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "service",
        .summary = "Rename a service",
        .example = "conpaas service rename shop front",
        .params = {
            ARG_SERVICE,
            {.name = "name", .in = IN_BODY, .kind = PARAM_NAME, .required = true, .positional = true,
             .help = "the new name"},
        },
    },
    {
        .id = "service.start", .method = "POST", .path = "/v1/services/{service}/start", .who = WHO_OWNER,
        .noun = "service", .verb = "start", .deck = "startup", .states = DOWN, .class = CLASS_CHANGE,
       
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Start a service in the shape it was stopped in",
        .detail = "A start that fails destroys what it made and leaves the service in ERROR with\n"
                  "the reason.",
        .example = "conpaas service start shop",
        .params = {
            ARG_SERVICE,
            {.name = "cloud", .in = IN_BODY, .kind = PARAM_WORD_ID,
             .help = "make its nodes there from now on"},
            ARG_EXPECT_GEN,
        },
    },
    {
        .id = "service.stop", .method = "POST", .path = "/v1/services/{service}/stop", .who = WHO_OWNER,
        .noun = "service", .verb = "stop", .deck = "shutdown",
        .states = UP | IN_STATE(SERVICE_PROLOGUE) | IN_STATE(SERVICE_ERROR), .class = CLASS_OVERRIDE,
       
        .on_failure = FAILURE_RETRY, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Stop a service: its nodes go, its code and settings stay",
        .detail = "Running operations are cancelled. The application's manager stays and still\n"
                  "costs 1 credit an hour.",
        .example = "conpaas service stop shop",
        .params = {
            ARG_SERVICE, ARG_EXPECT_GEN,
            {.name = "force", .in = IN_BODY, .kind = PARAM_BOOL, .fallback = "false",
             .help = "although running services refer to it"},
        },
    },
    {
        .id = "service.delete", .method = "DELETE", .path = "/v1/services/{service}", .who = WHO_OWNER,
        .noun = "service", .verb = "delete",
        .states = DOWN, .class = CLASS_ONE_WAY,
        .on_failure = FAILURE_RETRY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "Delete a service with its code",
        .detail = "A running service is stopped first (`conpaas service stop`). An application\n"
                  "that was made for this service alone goes with it, manager too. The service is\n"
                  "listed until its last node is gone.",
        .example = "conpaas service delete shop",
        .params = {ARG_SERVICE},
    },
    {
        .id = "service.link", .method = "POST", .path = "/v1/services/{service}/links", .who = WHO_OWNER,
        .noun = "service", .verb = "link", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Let a service refer to another one of its application",
        .detail = "Its code finds where the other one is in variables that begin with the\n"
                  "reference's name: MYSQL_HOST, MYSQL_PORT, MYSQL_USER and MYSQL_PASSWORD of a\n"
                  "database, PHP_URL of a php service. They stay right when nodes of the other one\n"
                  "come, go or fail. `conpaas env list` shows them. The other one starts first.",
        .example = "conpaas service link blog db\nconpaas service link shop prices --as PRICES",
        .params = {
            ARG_SERVICE,
            {.name = "other", .in = IN_BODY, .kind = PARAM_ID, .required = true, .positional = true, .thing = THING_SERVICE,
             .help = "the service that it refers to"},
            {.name = "as", .in = IN_BODY, .kind = PARAM_TEXT, .min = 1, .max = 24,
             .help = "name of the reference; without it, the type in capital letters"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "service.unlink", .method = "POST", .path = "/v1/services/{service}/links/remove", .who = WHO_OWNER,
        .noun = "service", .verb = "unlink", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Take a reference of a service away",
        .example = "conpaas service unlink blog MYSQL",
        .params = {
            ARG_SERVICE,
            {.name = "name", .in = IN_BODY, .kind = PARAM_TEXT, .required = true, .positional = true, .min = 1, .max = 24,
             .help = "name of the reference, as `conpaas env list` shows it"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "service.performance", .method = "GET", .path = "/v1/services/{service}/performance",
        .who = WHO_OWNER,
        .noun = "service", .verb = "performance", .deck = "get_service_performance", .class = CLASS_READ,
        .status = 200,
        .answer = ANSWER_JSON, .object = "performance",
        .summary = "Show request rate, errors, throughput and response time",
        .example = "conpaas service performance shop",
        .params = {ARG_SERVICE},
    },
    /* ---- nodes ---- */
    {
        .id = "node.list", .method = "GET", .path = "/v1/nodes", .who = WHO_USER,
        .noun = "node", .verb = "list", .bare = true, .deck = "list_nodes", .class = CLASS_READ,
        .status = 200,
        .answer = ANSWER_JSON, .object = "node", .list = "nodes",
        .summary = "List nodes: of a service, of an application, or all of yours",
        .detail = "With a service, the nodes of that service; otherwise managers' nodes too.",
        .example = "conpaas node list shop\nconpaas node list",
        .params = {
            {.name = "service", .in = IN_QUERY, .kind = PARAM_ID, .thing = THING_SERVICE, .positional = true,
             .help = "only those of this service"},
            QUERY_ID("app", THING_APP, "only those of this application, its manager too"),
        },
    },
    {
        .id = "node.show", .method = "GET", .path = "/v1/nodes/{node}", .who = WHO_OWNER,
        .noun = "node", .verb = "show", .deck = "get_node_info", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "node",
        .summary = "Show a node: roles, health, address, what it has cost",
        .example = "conpaas node show 12",
        .params = {ARG_NODE},
    },
    {
        .id = "node.add", .method = "POST", .path = "/v1/services/{service}/nodes/add", .who = WHO_OWNER,
        .noun = "node", .verb = "add", .deck = "add_nodes", .states = UP, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Add nodes to a running service",
        .detail = "The first nodes of a role that so far ran on the first node take the role\n"
                  "over: one packed node and --web 2 make three nodes. Visitors notice nothing.\n"
                  "If it fails, the new nodes are destroyed and nothing changed.",
        .example = "conpaas node add shop --web 2\n"
                   "conpaas node add shop --web 1 --backend 2\nconpaas node add shop --count 1",
        .params = {
            ARG_SERVICE,
            {.name = "counts", .in = IN_BODY, .kind = PARAM_COUNTS, .required = true,
             .help = "nodes to add by role; `count` is the type's default role"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "node.remove", .method = "POST", .path = "/v1/services/{service}/nodes/remove",
        .who = WHO_OWNER,
        .noun = "node", .verb = "remove", .deck = "remove_nodes", .states = UP, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Remove nodes from a running service",
        .detail = "Nodes finish the requests they have before they go, the newest first. Removing\n"
                  "the last node of a role moves the role back to the first node.",
        .example = "conpaas node remove shop --web 1",
        .params = {
            ARG_SERVICE,
            {.name = "counts", .in = IN_BODY, .kind = PARAM_COUNTS, .required = true,
             .help = "nodes to remove by role; `count` is the type's default role"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    /* ---- volumes ---- */
    {
        .id = "volume.list", .method = "GET", .path = "/v1/volumes", .who = WHO_USER,
        .noun = "volume", .verb = "list", .bare = true, .deck = "list_volumes", .class = CLASS_READ,
        .status = 200,
        .answer = ANSWER_JSON, .object = "volume", .list = "volumes",
        .summary = "List volumes: of a service, of an application, or all of yours",
        .detail = "Those that services make for their own data are among them: they come and go\n"
                  "with the nodes of a role and are kept while a service is stopped.",
        .example = "conpaas volume list worker\nconpaas volume list",
        .params = {
            {.name = "service", .in = IN_QUERY, .kind = PARAM_ID, .thing = THING_SERVICE, .positional = true,
             .help = "only those of this service"},
            QUERY_ID("app", THING_APP, "only those of this application"),
        },
    },
    {
        .id = "volume.create", .method = "POST", .path = "/v1/services/{service}/volumes", .who = WHO_OWNER,
        .noun = "volume", .verb = "create", .deck = "create_volume", .states = UP, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Make a volume and attach it to a node",
        .detail = "A disk that outlives nodes: its files are at /media/NAME of the node, and at the\n"
                  "same place of the node that replaces it when it is lost. Kept while the service\n"
                  "is stopped, and when the node is removed. Without --node it is attached to none.\n"
                  "Only of service types that allow it; not while scripts run there.",
        .example = "conpaas volume create worker MyDisk --size 50 --node 12",
        .params = {
            ARG_SERVICE, ARG_VOLUME,
            {.name = "size", .in = IN_BODY, .kind = PARAM_INT, .required = true, .min = 1, .max = 1 << 30,
             .help = "megabytes"},
            {.name = "node", .in = IN_BODY, .kind = PARAM_ID, .thing = THING_NODE,
             .help = "node of the service, by id or address"},
            ARG_EXPECT_GEN,
        },
    },
    {
        .id = "volume.attach", .method = "POST", .path = "/v1/services/{service}/volumes/attach", .who = WHO_OWNER,
        .noun = "volume", .verb = "attach", .states = UP, .class = CLASS_CHANGE, .on_failure = FAILURE_REVERT,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Attach a volume to a running node",
        .detail = "Its files are at /media/NAME of the node then.",
        .example = "conpaas volume attach worker MyDisk --node 12",
        .params = {
            ARG_SERVICE, ARG_VOLUME,
            {.name = "node", .in = IN_BODY, .kind = PARAM_ID, .thing = THING_NODE, .required = true,
             .help = "node of the service, by id or address"},
            ARG_EXPECT_GEN,
        },
    },
    {
        .id = "volume.detach", .method = "POST", .path = "/v1/services/{service}/volumes/detach", .who = WHO_OWNER,
        .noun = "volume", .verb = "detach", .states = UP | DOWN, .class = CLASS_CHANGE, .on_failure = FAILURE_STAY,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Detach a volume from its node, and keep it",
        .detail = "What uses its files on the node is ended. They are there again when it is\n"
                  "attached anywhere else.",
        .example = "conpaas volume detach worker MyDisk",
        .params = {ARG_SERVICE, ARG_VOLUME, ARG_EXPECT_GEN},
    },
    {
        .id = "volume.delete", .method = "POST", .path = "/v1/services/{service}/volumes/delete", .who = WHO_OWNER,
        .noun = "volume", .verb = "delete", .deck = "delete_volume", .states = UP | DOWN, .class = CLASS_ONE_WAY,
        .on_failure = FAILURE_RETRY,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Delete a volume with all its files",
        .detail = "It is detached first, which ends what uses it.",
        .example = "conpaas volume delete worker MyDisk",
        .params = {ARG_SERVICE, ARG_VOLUME, ARG_EXPECT_GEN},
    },
    /* ---- code ---- */
    {
        .id = "code.upload", .method = "POST", .path = "/v1/services/{service}/code", .who = WHO_OWNER,
        .noun = "code", .verb = "upload", .deck = "upload_code_version", .class = CLASS_POLICY,
        .body = BODY_STREAM, .max_body = CALL_UPLOAD_MAX, .status = 201,
        .answer = ANSWER_JSON, .object = "version",
        .summary = "Upload an archive as a new code version; it is not active yet",
        .detail = "tar, tar.gz, tar.bz2, tar.xz or zip, at most 512 MiB. The archive must unpack\n"
                  "into the current directory; names that are absolute, contain `..` or link out\n"
                  "of the tree are refused, the archive with them.",
        .example = "conpaas code upload shop shop-1.4.tar.gz --description \"new basket\"",
        .params = {
            ARG_SERVICE,
            {.name = "filename", .in = IN_QUERY, .kind = PARAM_FILE, .required = true, .positional = true,
             .help = "archive to upload"},
            {.name = "description", .in = IN_QUERY, .kind = PARAM_TEXT, .max = 256,
             .help = "one line about it"},
        },
    },
    {
        .id = "code.list", .method = "GET", .path = "/v1/services/{service}/code", .who = WHO_OWNER,
        .noun = "code", .verb = "list", .bare = true, .deck = "list_code_versions", .class = CLASS_READ,
        .status = 200,
        .answer = ANSWER_JSON, .object = "version", .list = "versions",
        .summary = "List the code versions of a service, newest first",
        .example = "conpaas code list shop",
        .params = {ARG_SERVICE},
    },
    {
        .id = "code.download", .method = "GET", .path = "/v1/services/{service}/code/{version}/archive",
        .who = WHO_OWNER,
        .noun = "code", .verb = "download", .class = CLASS_READ, .status = 200, .answer = ANSWER_FILE,
        .summary = "Download the archive of a code version",
        .example = "conpaas code download shop code-3\nconpaas code download shop code-3 --output old.tar.gz",
        .params = {ARG_SERVICE, ARG_VERSION},
    },
    {
        .id = "code.enable", .method = "POST", .path = "/v1/services/{service}/code/{version}/enable",
        .who = WHO_OWNER,
        .noun = "code", .verb = "enable", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Make a code version the active one",
        .detail = "It is copied to all nodes, tried on one, then switched to without a failed\n"
                  "request. When the trial fails, the old version stays and the reason is told.\n"
                  "Enabling an older version is the way back.",
        .example = "conpaas code enable shop code-3",
        .params = {ARG_SERVICE, ARG_VERSION, ARG_EXPECT_GEN, ARG_SUPERSEDE},
    },
    {
        .id = "code.delete", .method = "DELETE", .path = "/v1/services/{service}/code/{version}",
        .who = WHO_OWNER,
        .noun = "code", .verb = "delete", .class = CLASS_ONE_WAY, .status = 204, .answer = ANSWER_EMPTY,
        .summary = "Delete a code version that is not active",
        .example = "conpaas code delete shop code-2",
        .params = {ARG_SERVICE, ARG_VERSION},
    },
    /* ---- pushing code ---- */
    {
        .id = "git.show", .method = "GET", .path = "/v1/services/{service}/git", .who = WHO_OWNER,
        .noun = "git", .verb = "show", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "git",
        .summary = "Show where to push a service's code",
        .detail = "A key that `conpaas key add` allowed may clone and push. A push to main or\n"
                  "master becomes the code version git-COMMIT and is activated; when that fails,\n"
                  "the push is refused with the reason. Other branches are only kept.",
        .example = "conpaas git shop\ngit clone $(conpaas git shop --quiet)",
        .params = {ARG_SERVICE},
    },
    {
        .id = "git.set", .method = "PATCH", .path = "/v1/services/{service}/git", .who = WHO_OWNER,
        .noun = "git", .verb = "set", .class = CLASS_POLICY, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "git",
        .summary = "Say whether pushed code is activated at once",
        .detail = "With --deploy=off a push only adds a code version: `conpaas code enable`\n"
                  "activates it.",
        .example = "conpaas git set shop --deploy=off",
        .params = {
            ARG_SERVICE,
            {.name = "deploy", .in = IN_BODY, .kind = PARAM_BOOL, .required = true,
             .help = "on or off; on until something else is said"},
        },
    },
    /* ---- configuration ---- */
    {
        .id = "config.show", .method = "GET", .path = "/v1/services/{service}/config", .who = WHO_OWNER,
        .noun = "config", .verb = "show", .bare = true, .deck = "get_configuration", .class = CLASS_READ,
        .status = 200,
        .answer = ANSWER_JSON, .object = "config",
        .summary = "Show the settings of a service",
        .example = "conpaas config show shop",
        .params = {ARG_SERVICE},
    },
    {
        .id = "config.set", .method = "PATCH", .path = "/v1/services/{service}/config", .who = WHO_OWNER,
        .noun = "config", .verb = "set", .deck = "update_php_configuration", .states = UP | DOWN,
        .class = CLASS_CHANGE,
       
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Change settings of a service",
        .detail = "What is not named stays. New settings go to one node first; when that refuses\n"
                  "them, nothing changed. `conpaas type list --json` and `conpaas config show`\n"
                  "tell the settings there are.",
        .example = "conpaas config set shop memory_limit=256M max_execution_time=60",
        .params = {
            ARG_SERVICE,
            {.name = "settings", .in = IN_BODY, .kind = PARAM_SETTINGS, .required = true, .positional = true,
             .help = "KEY=VALUE, several"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    /* ---- environment ---- */
    {
        .id = "env.list", .method = "GET", .path = "/v1/services/{service}/environment", .who = WHO_OWNER,
        .noun = "env", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "variable", .list = "variables",
        .summary = "List the environment variables of a service",
        .example = "conpaas env list shop",
        .params = {ARG_SERVICE},
    },
    {
        .id = "env.set", .method = "PATCH", .path = "/v1/services/{service}/environment", .who = WHO_OWNER,
        .noun = "env", .verb = "set", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Set environment variables of a service",
        .detail = "The service's own code finds them in its environment, in PHP by getenv() and\n"
                  "$_ENV. What is not named stays. They belong to the settings: one node takes\n"
                  "them up first, and a change that fails is undone.",
        .example = "conpaas env set shop COLOUR=red MOTTO=\"open all day\"",
        .params = {
            ARG_SERVICE,
            {.name = "variables", .in = IN_BODY, .kind = PARAM_VARIABLES, .required = true, .positional = true,
             .help = "NAME=VALUE, several"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "env.unset", .method = "POST", .path = "/v1/services/{service}/environment/unset", .who = WHO_OWNER,
        .noun = "env", .verb = "unset", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Take environment variables of a service away",
        .example = "conpaas env unset shop COLOUR MOTTO",
        .params = {
            ARG_SERVICE,
            {.name = "names", .in = IN_BODY, .kind = PARAM_VARIABLE_NAMES, .required = true, .positional = true,
             .help = "NAME, several"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "secret.list", .method = "GET", .path = "/v1/services/{service}/secrets", .who = WHO_OWNER,
        .noun = "secret", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "secret", .list = "secrets",
        .summary = "List the secrets of a service, by name",
        .detail = "What they say is never shown.",
        .example = "conpaas secret list shop",
        .params = {ARG_SERVICE},
    },
    {
        .id = "secret.set", .method = "POST", .path = "/v1/services/{service}/secrets", .who = WHO_OWNER,
        .noun = "secret", .verb = "set", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Set a secret of a service: a variable whose value is never shown",
        .detail = "The value is asked for, or read from standard input when that is no terminal;\n"
                  "a newline at its end is left out. It is stored encrypted. The service's own\n"
                  "code finds it in its environment like any other variable.",
        .example = "conpaas secret set shop API_KEY\nconpaas secret set shop TLS_KEY <server.key",
        .params = {
            ARG_SERVICE,
            {.name = "name", .in = IN_BODY, .kind = PARAM_TEXT, .required = true, .positional = true, .min = 1, .max = 64,
             .help = "name of the variable"},
            {.name = "value", .in = IN_BODY, .kind = PARAM_SECRET, .required = true, .min = 1, .max = 8192, .lines = true,
             .help = "1 to 8192 bytes, any number of lines"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "secret.remove", .method = "POST", .path = "/v1/services/{service}/secrets/remove", .who = WHO_OWNER,
        .noun = "secret", .verb = "remove", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Take a secret of a service away",
        .example = "conpaas secret remove shop API_KEY",
        .params = {
            ARG_SERVICE,
            {.name = "name", .in = IN_BODY, .kind = PARAM_TEXT, .required = true, .positional = true, .min = 1, .max = 64,
             .help = "name of the variable"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    {
        .id = "service.password", .method = "POST", .path = "/v1/services/{service}/password", .who = WHO_OWNER,
        .noun = "service", .verb = "password", .states = UP | DOWN, .class = CLASS_CHANGE,
        .on_failure = FAILURE_REVERT, .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON,
        .object = "change",
        .summary = "Set the password of a service's own account: of a database's user, say",
        .detail = "The password is asked for, or read from standard input when that is no terminal.\n"
                  "It is stored encrypted and never shown. Until one is set it is a random one.",
        .example = "conpaas service password db\nconpaas service password db <password.txt",
        .params = {
            ARG_SERVICE,
            {.name = "account", .in = IN_BODY, .kind = PARAM_TEXT, .min = 1, .max = 64,
             .help = "whose; without it the service's first"},
            {.name = "password", .in = IN_BODY, .kind = PARAM_SECRET, .required = true, .min = 8, .max = 128,
             .help = "8 to 128 characters"},
            ARG_EXPECT_GEN, ARG_SUPERSEDE,
        },
    },
    /* ---- scripts ---- */
    {
        .id = "script.status", .method = "GET", .path = "/v1/services/{service}/scripts", .who = WHO_OWNER,
        .noun = "script", .verb = "status", .bare = true, .deck = "get_script_status", .class = CLASS_READ,
        .status = 200, .answer = ANSWER_JSON, .object = "script", .list = "scripts",
        .summary = "Show how the scripts of a service stand on each of its nodes",
        .detail = "init.sh installs the program, once on each node for each code version;\n"
                  "notify.sh is run when nodes came or left, the others by command. What they\n"
                  "print is in the node's logs: agent.out, agent.err, script-run.log ...",
        .example = "conpaas script status jobs",
        .params = {ARG_SERVICE},
    },
    {
        .id = "script.run", .method = "POST", .path = "/v1/services/{service}/scripts/run", .who = WHO_OWNER,
        .noun = "script", .verb = "run", .deck = "run", .states = UP, .class = CLASS_CHANGE, .on_failure = FAILURE_STAY,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Start the program: run.sh on every node",
        .detail = "It is done when the script has begun everywhere; `conpaas script status` tells\n"
                  "how it goes on. Refused while any script of the service runs.",
        .example = "conpaas script run jobs\nconpaas script run jobs --parameters \"--size 3 fast\"",
        .params = {ARG_SERVICE, ARG_PARAMETERS, ARG_EXPECT_GEN},
    },
    {
        .id = "script.interrupt", .method = "POST", .path = "/v1/services/{service}/scripts/interrupt",
        .who = WHO_OWNER,
        .noun = "script", .verb = "interrupt", .deck = "interrupt", .states = UP, .class = CLASS_OVERRIDE,
        .on_failure = FAILURE_STAY,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Stop the program: interrupt.sh on every node, what runs then is ended",
        .detail = "Whatever the scripts have started gets SIGTERM when interrupt.sh is over. Asked\n"
                  "for once more while interrupt.sh runs, everything is killed at once.",
        .example = "conpaas script interrupt jobs",
        .params = {ARG_SERVICE, ARG_PARAMETERS, ARG_EXPECT_GEN},
    },
    {
        .id = "script.cleanup", .method = "POST", .path = "/v1/services/{service}/scripts/cleanup", .who = WHO_OWNER,
        .noun = "script", .verb = "cleanup", .deck = "cleanup", .states = UP, .class = CLASS_CHANGE,
        .on_failure = FAILURE_STAY,
        .body = BODY_JSON, .status = 202, .answer = ANSWER_JSON, .object = "change",
        .summary = "Remove what the program has left: cleanup.sh on every node",
        .detail = "Refused while any script of the service runs.",
        .example = "conpaas script cleanup jobs",
        .params = {ARG_SERVICE, ARG_PARAMETERS, ARG_EXPECT_GEN},
    },
    /* ---- logs and history ---- */
    {
        .id = "log.show", .method = "GET", .path = "/v1/services/{service}/log", .who = WHO_OWNER,
        .noun = "log", .verb = "show", .bare = true, .deck = "get_log", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "log",
        .summary = "Show the manager's log of a service, or a log of one of its nodes",
        .detail = "`conpaas node show NODE` lists the names of its logs.",
        .example = "conpaas log shop --lines 50\nconpaas log shop --node 12 --name web-error.log",
        .params = {
            ARG_SERVICE,
            QUERY_ID("node", THING_NODE, "a node of the service"),
            {.name = "name", .in = IN_QUERY, .kind = PARAM_FILE,
             .help = "which log of the node; without it, agent.log"},
            {.name = "lines", .in = IN_QUERY, .kind = PARAM_INT, .min = 1, .max = 10000, .fallback = "100",
             .letter = 'n',
             .help = "the last lines"},
        },
    },
    {
        .id = "history.list", .method = "GET", .path = "/v1/services/{service}/history", .who = WHO_OWNER,
        .noun = "history", .verb = "list", .bare = true, .deck = "get_service_history",
        .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "history", .list = "history",
        .summary = "Show what happened to a service, oldest first",
        .example = "conpaas history shop --limit 20",
        .params = {
            ARG_SERVICE, ARG_LIMIT,
            {.name = "before", .in = IN_QUERY, .kind = PARAM_INT, .min = 1, .max = INT64_MAX,
             .help = "only lines older than this id"},
        },
    },
    /* ---- operations ---- */
    {
        .id = "operation.list", .method = "GET", .path = "/v1/operations", .who = WHO_USER,
        .noun = "operation", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "operation", .list = "operations",
        .summary = "List operations, newest first",
        .example = "conpaas operation list --state ACTIVE",
        .params = {
            QUERY_ID("service", THING_SERVICE, "only those of this service"),
            QUERY_ID("app", THING_APP, "only those of this application"),
            {.name = "state", .in = IN_QUERY, .kind = PARAM_CHOICE, .words = "ACTIVE DONE FAILED CANCELLED",
             .help = "only those in this state"},
            ARG_LIMIT,
        },
    },
    {
        .id = "operation.show", .method = "GET", .path = "/v1/operations/{operation}", .who = WHO_OWNER,
        .noun = "operation", .verb = "show", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "operation",
        .summary = "Show an operation: its steps, and why it failed",
        .example = "conpaas operation show 31",
        .params = {ARG_OPERATION},
    },
    {
        .id = "operation.cancel", .method = "POST", .path = "/v1/operations/{operation}/cancel",
        .who = WHO_OWNER,
        .noun = "operation", .verb = "cancel", .class = CLASS_OVERRIDE,
        .on_failure = FAILURE_REVERT, .status = 200,
        .answer = ANSWER_JSON, .object = "operation",
        .summary = "Cancel an operation that is under way; what it changed is undone",
        .example = "conpaas operation cancel 31",
        .params = {ARG_OPERATION},
    },
    /* ---- manifests ---- */
    {
        .id = "manifest.validate", .method = "POST", .path = "/v1/manifests/validate", .who = WHO_USER,
        .noun = "manifest", .verb = "validate", .class = CLASS_READ, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "problem", .list = "problems",
        .summary = "Check a manifest: every problem at once, with line and column",
        .detail = "Nothing is changed. The format is described in doc/MANIFEST.md.",
        .example = "conpaas manifest validate shop.json",
        .params = {ARG_MANIFEST, ARG_MANIFEST_NAME, ARG_HASHES},
    },
    {
        .id = "manifest.plan", .method = "POST", .path = "/v1/manifests/plan", .who = WHO_USER,
        .noun = "manifest", .verb = "plan", .class = CLASS_READ, .body = BODY_JSON, .status = 200,
        .answer = ANSWER_JSON, .object = "manifest_plan",
        .summary = "Show what applying a manifest would change, and what it costs",
        .example = "conpaas manifest plan shop.json\nconpaas manifest plan shop.json --prune",
        .params = {ARG_MANIFEST, ARG_MANIFEST_NAME, ARG_PRUNE, ARG_NEW, ARG_HASHES},
    },
    {
        .id = "manifest.apply", .method = "POST", .path = "/v1/manifests", .who = WHO_USER,
        .noun = "manifest", .verb = "apply", .class = CLASS_CHANGE, .on_failure = FAILURE_STAY, .body = BODY_JSON,
        .status = 202, .answer = ANSWER_JSON, .object = "job",
        .summary = "Create or change an application as a manifest says",
        .detail = "What is so already is left alone; applying the same again changes nothing.\n"
                  "Files of this machine (\"file:shop.tar.gz\") are sent first. The director\n"
                  "carries it out as a job, step by step; one that fails ends it, what was done\n"
                  "stays, and the same command goes on from there.",
        .example = "conpaas manifest apply shop.json\nconpaas manifest apply shop.json --name shop-test",
        .params = {ARG_MANIFEST, ARG_MANIFEST_NAME, ARG_PRUNE, ARG_NEW, ARG_HASHES},
    },
    {
        .id = "manifest.download", .method = "GET", .path = "/v1/apps/{app}/manifest", .who = WHO_OWNER,
        .noun = "manifest", .verb = "download", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "manifest",
        .summary = "Write an application as a manifest that creates it again",
        .detail = "The code is named as conpaas:APPLICATION/SERVICE/VERSION with its SHA-256.",
        .example = "conpaas manifest download shop\nconpaas manifest download shop --output shop.json",
        .params = {ARG_APP},
    },
    {
        .id = "manifest.upload", .method = "POST", .path = "/v1/manifests/files", .who = WHO_USER,
        .noun = "manifest", .verb = "upload", .class = CLASS_POLICY, .body = BODY_STREAM,
        .max_body = CALL_UPLOAD_MAX, .status = 201, .answer = ANSWER_JSON, .object = "upload",
        .summary = "Send an archive that a manifest names by its SHA-256",
        .detail = "`conpaas manifest apply` does it by itself for files of this machine. A file\n"
                  "that no manifest has used is forgotten after a day.",
        .example = "conpaas manifest upload shop.tar.gz",
        .params = {
            {.name = "filename", .in = IN_QUERY, .kind = PARAM_FILE, .required = true, .positional = true,
             .help = "archive to send"},
        },
    },
    {
        .id = "manifest.list", .method = "GET", .path = "/v1/jobs", .who = WHO_USER,
        .noun = "manifest", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "job", .list = "jobs",
        .summary = "List manifests that are or were applied, newest first",
        .example = "conpaas manifest list",
        .params = {QUERY_ID("app", THING_APP, "only those of this application"), ARG_LIMIT},
    },
    {
        .id = "manifest.show", .method = "GET", .path = "/v1/jobs/{job}", .who = WHO_OWNER,
        .noun = "manifest", .verb = "show", .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "job",
        .summary = "Show how far the applying of a manifest is, and why it failed",
        .example = "conpaas manifest show 31",
        .params = {ARG_JOB},
    },
    {
        .id = "manifest.cancel", .method = "POST", .path = "/v1/jobs/{job}/cancel", .who = WHO_OWNER,
        .noun = "manifest", .verb = "cancel", .class = CLASS_OVERRIDE, .on_failure = FAILURE_STAY, .status = 200,
        .answer = ANSWER_JSON, .object = "job",
        .summary = "Stop applying a manifest; what was done stays",
        .detail = "The change that is under way is cancelled and undone.",
        .example = "conpaas manifest cancel 31",
        .params = {ARG_JOB},
    },
    /* ---- what there is ---- */
    {
        .id = "cloud.list", .method = "GET", .path = "/v1/clouds", .who = WHO_USER,
        .noun = "cloud", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "cloud", .list = "clouds",
        .summary = "List clouds, their instance types and prices",
        .example = "conpaas cloud list",
    },
    {
        .id = "type.list", .method = "GET", .path = "/v1/types", .who = WHO_USER,
        .noun = "type", .verb = "list", .bare = true, .class = CLASS_READ, .status = 200,
        .answer = ANSWER_JSON, .object = "service_type", .list = "types",
        .summary = "List service types with their roles and settings",
        .example = "conpaas type list",
    },
    {.id = NULL},
};
// clang-format on
