/*
 * Types of services: what the settings of the php type come to in the sections of its engines.
 */
#include "cm.h"

#include "service/php.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_php_execution_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
