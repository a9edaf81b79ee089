/*
 * Types of services: what the settings of the php type come to in the sections of its engines.
 */
#include "cm.h"

#include "service/generic.h"
#include "service/links.h"
#include "service/php.h"
#include "service/settings.h"

static json_t *section(const char *settings, const char *role)
{
    static struct service service;
    static struct node node = {.id = 7, .address = "10.88.0.7"};
    static struct doc doc = {.route = 3};
    struct err e = {0};
    _cleanup_json_ json_t *given = NULL, *values = NULL;
    assert_int_equal(json_parse(settings, strlen(settings), 4096, &given, &e), 0);
    assert_int_equal(service_type_settings(&service_php, NULL, given, &values, &e), 0);
    service.type = &service_php;
    const struct section_in in = {.service = &service, .node = &node, .doc = &doc, .settings = values};
    _cleanup_json_ json_t *all = service_php.sections(&in, service_type_role(&service_php, role));
    return json_incref(json_array_get(all, 0));
}

/* A script may run as long as the setting says: neither php-fpm's own limit nor the proxy ends it before. */
static void test_php_execution_time(void **state)
{
    static const struct {
        const char *settings;
        int64_t seconds;
    } all[] = {{"{}", 30}, {"{\"max_execution_time\": 60}", 60}, {"{\"max_execution_time\": 3600}", 3600}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        _cleanup_json_ json_t *backend = section(all[i].settings, "backend");
        _cleanup_json_ json_t *proxy = section(all[i].settings, "proxy");
        int64_t limit = json_int(backend, "request_timeout_s", 0);
        assert_true(limit >= 120 && limit > all[i].seconds);
        assert_true(json_int(proxy, "request_timeout_s", 0) > limit);
    }
}

/* What a service gets of a php service and of a database that it refers to: a relay and variables that stay as the
 * servers change. */
static void test_links(void **state)
{
    static struct service php, db;
    php.type = &service_php;
    db.type = service_type_find("mysql");
    php.nodes[php.n_nodes++] = (struct node){.id = 4, .status = NODE_UP, .address = "10.0.0.4"};
    php.nodes[php.n_nodes++] = (struct node){.id = 5, .status = NODE_UP, .address = "10.0.0.5"};
    db.nodes[db.n_nodes++] = (struct node){.id = 9, .status = NODE_UP, .address = "10.0.0.9"};
    set_add(&php.facts[FACT_ENTRIES].v.ids, 5);
    set_add(&db.facts[FACT_ENTRIES].v.ids, 9);
    _cleanup_json_ json_t *own = json_pack("{s:s}", "mysqldb_password", "hush");
    _cleanup_json_ json_t *links = json_pack("[{s:s, s:i, s:i}]", "name", "API", "service", 1, "port", 8100);
    assert_int_equal(link_port(links, &service_php), 8101);
    assert_int_equal(link_port(links, db.type), 3306);
    json_array_append_new(links, json_pack("{s:s, s:i, s:i}", "name", "MYSQL", "service", 2, "port", 3306));
    _cleanup_json_ json_t *all = json_array(), *env = json_pack("{s:s}", "API_PORT", "mine"),
                          *engines = json_array();
    json_array_append_new(all, link_resolve(json_array_get(links, 0), &php, NULL));
    json_array_append_new(all, link_resolve(json_array_get(links, 1), &db, own));
    link_variables(all, env);
    link_sections(all, engines);
    static const char *const wanted[][2] = {
        {"API_HOST", "127.0.0.1"},  {"API_URL", "http://127.0.0.1:8100"},
        {"API_PORT", "mine"},       {"MYSQL_HOST", "127.0.0.1"},
        {"MYSQL_PORT", "3306"},     {"MYSQL_USER", "mysqldb"},
        {"MYSQL_PASSWORD", "hush"},
    };
    assert_int_equal(json_object_size(env), ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        assert_string_equal(json_str(env, wanted[i][0], "none"), wanted[i][1]);
    }
    _cleanup_json_ json_t *sections =
        json_loads("[{\"engine\": \"relay\", \"name\": \"link-api\", \"mode\": \"tcp\", \"port\": 8100,"
                   "  \"targets\": [{\"id\": 5, \"address\": \"10.0.0.5\", \"port\": 80}]},"
                   " {\"engine\": \"relay\", \"name\": \"link-mysql\", \"mode\": \"tcp\", \"port\": 3306,"
                   "  \"targets\": [{\"id\": 9, \"address\": \"10.0.0.9\", \"port\": 3307}]}]",
                   0, NULL);
    assert_true(json_equal(engines, sections));
    /* the other one is gone: the relay leads nowhere, the variables are not there */
    _cleanup_json_ json_t *gone = link_resolve(json_array_get(links, 0), NULL, NULL);
    assert_int_equal(json_array_size(json_object_get(gone, "targets")), 0);
    assert_int_equal(json_object_size(json_object_get(gone, "variables")), 0);
    static const char *const bad[] = {"", "a", "9A", "A-B", "ABCDEFGHIJKLMNOPQRSTUVWXY", "A B"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(link_check_name(bad[i], NULL), ERR_INVALID);
    }
    assert_int_equal(link_check_name("DB_2", NULL), 0);
}

/* Values of settings are text; what is not set is the type's. */
static void test_volume_size(void **state)
{
    (void)state;
    const struct service_type *t = service_type_find("mysql");
    _cleanup_json_ json_t *none = json_object();
    _cleanup_json_ json_t *given = json_pack("{s:s}", "volume_size", "512");
    assert_non_null(t);
    assert_true(service_type_has_volumes(t));
    assert_false(service_type_has_volumes(service_type_find("php")));
    assert_int_equal(service_type_volume_mb(t, service_type_role(t, "mysql"), none), 1024);
    assert_int_equal(service_type_volume_mb(t, service_type_role(t, "mysql"), given), 512);
}

static void test_ports(void **state)
{
    static const struct {
        const char *text;
        int n;
    } all[] = {{"", 0},     {"80", 1},      {"80,443 , 8000-8010", 3},
               {"0", -1},   {"65536", -1},  {"80-79", -1},
               {"a", -1},   {"80;443", -1}, {"-80", -1},
               {"80-", -1}, {"1-2-3", -1},  {"+80", -1}};
    struct setting_range r[SETTING_PORTS_MAX];
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (setting_ports(all[i].text, r, SETTING_PORTS_MAX) != all[i].n) {
            fail_msg("\"%s\" should be %d ranges", all[i].text, all[i].n);
        }
    }
    assert_int_equal(setting_ports("80,443 , 8000-8010", r, SETTING_PORTS_MAX), 3);
    assert_true(r[1].first == 443 && r[1].last == 443 && r[2].first == 8000 && r[2].last == 8010);
    assert_int_equal(setting_ports("1,2,3", r, 2), -1);
}

/* Nodes of a generic service reach each other; everybody reaches what is opened. */
static void test_generic_firewall(void **state)
{
    struct service *s = xcalloc(1, sizeof *s);
    struct doc doc = {.roles = 2};
    struct err e = {0};
    _cleanup_json_ json_t *given = json_pack("{s:s}", "open_ports", "80,8000-8010"), *values = NULL,
                          *bad = NULL;
    assert_int_equal(service_type_settings(&service_generic, NULL, given, &values, &e), 0);
    json_object_set_new(given, "open_ports", json_string("80;rm"));
    assert_int_equal(service_type_settings(&service_generic, NULL, given, &bad, &e), ERR_INVALID);
    err_done(&e);
    s->type = &service_generic;
    s->n_nodes = 2;
    s->nodes[0] = (struct node){.id = 7, .role = 0, .address = "10.88.0.7"};
    s->nodes[1] = (struct node){.id = 8, .role = 1, .address = "10.88.0.8"};
    set_add(&doc.callers, 7);
    const struct section_in in = {.service = s, .node = &s->nodes[1], .doc = &doc, .settings = values};
    _cleanup_json_ json_t *allow = service_type_allow(&in);
    _cleanup_free_ char *text = json_text(allow);
    assert_string_equal(
        text, "[{\"port\":80,\"last\":80,\"from\":null},{\"port\":8000,\"last\":8010,\"from\":null},"
              "{\"from\":[\"10.88.0.7\"]}]");
    free(s);
}

/* Each of the five scripts is there and says what it was told. */
static void test_generic_code(void **state)
{
    for (int i = 0; i < SCRIPT_COMMANDS; i++) {
        _cleanup_free_ char *name = str_printf("%s.sh", script_commands[i].name);
        const struct archive_file *f = NULL;
        for (int k = 0; k < GENERIC_DEFAULT_FILES; k++) {
            f = str_eq(generic_default_code[k].name, name) ? &generic_default_code[k] : f;
        }
        assert_non_null(f);
        static const char *const words[] = {"$MY_IP",       "$MY_ROLE", "$MASTER_IP",
                                            "$AGENTS_FILE", "$*",       "/root/generic.out"};
        for (size_t k = 0; k < ARRAY_LEN(words); k++) {
            assert_non_null(strstr(f->text, words[k]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_volume_size),
        cmocka_unit_test(test_php_execution_time),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_generic_firewall),
        cmocka_unit_test(test_generic_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
