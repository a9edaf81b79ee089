/*
 * Identities: names have one text, a certificate says what the signer decided and nothing else.
 */
#include "net_fixture.h"

#include "net/tls_cert.h"

static void names_round_trip(void **state)
{
    static const struct {
        const char *text;
        enum tls_kind kind;
        int64_t node, app;
        const char *installation;
    } good[] = {
        {"director.test", TLS_DIRECTOR, 0, 0, "test"},
        {"n1.a7.manager.test", TLS_MANAGER, 1, 7, "test"},
        {"n12.a7.agent.my-cloud.example", TLS_AGENT, 12, 7, "my-cloud.example"},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct tls_name n;
        assert_int_equal(tls_name_parse(good[i].text, &n, NULL), 0);
        assert_int_equal(n.kind, good[i].kind);
        assert_int_equal(n.node, good[i].node);
        assert_int_equal(n.app, good[i].app);
        assert_string_equal(n.installation, good[i].installation);
        _cleanup_free_ char *again = tls_name_text(&n);
        assert_string_equal(again, good[i].text);
    }
}

static void names_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "director",
        "director.",
        "director..test",
        "Director.test",
        "n0.a1.agent.test",
        "n01.a1.agent.test",
        "n+1.a1.agent.test",
        "n1.a1.agent.",
        "n1.a1.agent",
        "n1.a1.director.test",
        "n1.a1.boss.test",
        "a1.n1.agent.test",
        "n1.a1.agent.te st",
        "n1.a1.agent.-x",
        "n99999999999999999999.a1.agent.test",
        "n1.a1.agent.0123456789012345678901234567890123456789.0123456789012345678901234567890",
        "*.a1.agent.test",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct tls_name n = {.node = -5};
        _cleanup_err_ struct err e = {0};
        if (tls_name_parse(bad[i], &n, &e) != ERR_INVALID) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_int_equal(n.node, -5);
    }
    struct tls_name n;
    assert_int_equal(tls_name_parse(NULL, &n, NULL), ERR_INVALID);
}

static void kinds_walk(void **state)
{
    for (int i = 0; i < TLS_KIND_MAX; i++) {
        assert_int_equal(tls_kind_from_str(tls_kind_to_str((enum tls_kind)i)), i);
    }
    assert_null(tls_kind_to_str(TLS_KIND_MAX));
}

static void leaf_says_what_the_signer_decided(void **state)
{
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca);
    struct tls_leaf leaf = {.dns_name = "n3.a4.agent.test", .client = true, .days = 90};
    memset(leaf.serial, 0xff, sizeof(leaf.serial)); /* the top bit must not make it negative */
    struct fixture_identity id = {0};
    fixture_sign(&ca, &leaf, &id);
    _cleanup_free_ char *name = NULL, *serial = NULL;
    int64_t end = 0;
    assert_int_equal(tls_cert_info(id.cert, &name, &serial, &end, NULL), 0);
    assert_string_equal(name, "n3.a4.agent.test"); /* the request asked for anything.example */
    assert_string_equal(serial, "ffffffffffffffffffffffffffffffff");
    int64_t days = (end - clock_wall_ms()) / 86400000;
    assert_in_range(days, 89, 90);

    gnutls_x509_crt_t crt = NULL;
    assert_int_equal(tls_read_cert(id.cert, &crt, NULL), 0);
    unsigned critical = 0, is_ca = 1, usage = 0;
    assert_int_equal(gnutls_x509_crt_get_basic_constraints(crt, &critical, &is_ca, NULL), 0);
    assert_int_equal(is_ca, 0);
    assert_int_equal(gnutls_x509_crt_get_key_usage(crt, &usage, &critical), 0);
    assert_int_equal(usage, GNUTLS_KEY_DIGITAL_SIGNATURE);
    char oid[64];
    size_t n = sizeof(oid);
    assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(crt, 0, oid, &n, NULL), 0);
    assert_string_equal(oid, GNUTLS_KP_TLS_WWW_CLIENT);
    n = sizeof(oid);
    assert_int_equal(gnutls_x509_crt_get_key_purpose_oid(crt, 1, oid, &n, NULL),
                     GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
    time_t from = gnutls_x509_crt_get_activation_time(crt);
    assert_in_range((int64_t)(time(NULL) - from), 3599, 3700);
    n = sizeof(oid);
    assert_int_equal(gnutls_x509_crt_get_authority_key_id(crt, oid, &n, NULL), 0);
    gnutls_x509_crt_deinit(crt);
    fixture_identity_done(&id);
    fixture_ca_done(&ca);
}

static void leading_zeros_of_a_serial_are_kept(void **state)
{
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca);
    struct tls_leaf leaf = {.dns_name = "director.test", .server = true, .days = 1, .serial = {0, 0, 1}};
    struct fixture_identity id = {0};
    fixture_sign(&ca, &leaf, &id);
    _cleanup_free_ char *serial = NULL;
    assert_int_equal(tls_cert_info(id.cert, NULL, &serial, NULL, NULL), 0);
    assert_string_equal(serial, "00000100000000000000000000000000");
    fixture_identity_done(&id);
    fixture_ca_done(&ca);
}

static void authority_has_path_length_zero(void **state)
{
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca);
    gnutls_x509_crt_t crt = NULL;
    assert_int_equal(tls_read_cert(ca.cert, &crt, NULL), 0);
    unsigned critical = 0, is_ca = 0, usage = 0;
    int path = -1;
    assert_int_equal(gnutls_x509_crt_get_basic_constraints(crt, &critical, &is_ca, &path), 1);
    assert_int_equal(is_ca, 1);
    assert_int_equal(path, 0);
    assert_int_equal(gnutls_x509_crt_get_key_usage(crt, &usage, &critical), 0);
    assert_int_equal(usage, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
    gnutls_x509_crt_deinit(crt);
    fixture_ca_done(&ca);
}

static void tampered_request_is_refused(void **state)
{
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca);
    _cleanup_free_ char *key = NULL, *csr = NULL, *cert = NULL;
    assert_int_equal(tls_key_new(&key, NULL), 0);
    assert_int_equal(tls_csr_new(key, "x.example", &csr, NULL), 0);
    struct tls_leaf leaf = {.dns_name = "director.test", .server = true, .days = 1};
    size_t refused = 0, accepted = 0;
    char *body = strstr(csr, "-----\n") + 6;
    for (char *p = body; strncmp(p, "\n-----", 6) != 0; p += 7) {
        char old = *p;
        *p = old == 'A' ? 'B' : 'A';
        int r = tls_ca_sign(ca.key, ca.cert, csr, &leaf, &cert, NULL);
        refused += r < 0;
        accepted += r == 0 && old != *p;
        *p = old;
        if (strchr(p, '-') - p < 14) {
            break;
        }
    }
    assert_true(refused > 20);
    assert_int_equal(accepted, 0);
    static const char *const bad[] = {"", "nonsense",
                                      "-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE "
                                      "REQUEST-----\n"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(tls_ca_sign(ca.key, ca.cert, bad[i], &leaf, &cert, NULL), ERR_INVALID);
    }
    fixture_ca_done(&ca);
}

static void other_keys_are_refused(void **state)
{
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca);
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t pem = {0};
    gnutls_x509_privkey_init(&key);
    assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_RSA, 2048, 0), 0);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    _cleanup_free_ char *text = tls_take_pem(&pem), *csr = NULL, *cert = NULL;
    assert_int_equal(tls_csr_new(text, "x.example", &csr, NULL), 0);
    struct tls_leaf leaf = {.dns_name = "director.test", .server = true, .days = 1};
    assert_int_equal(tls_ca_sign(ca.key, ca.cert, csr, &leaf, &cert, NULL), ERR_INVALID);
    gnutls_x509_privkey_deinit(key);
    fixture_ca_done(&ca);
}

static void key_id_is_of_the_key(void **state)
{
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca);
    _cleanup_free_ char *key = NULL, *other = NULL, *csr = NULL, *csr2 = NULL, *csr3 = NULL, *cert = NULL;
    assert_int_equal(tls_key_new(&key, NULL), 0);
    assert_int_equal(tls_key_new(&other, NULL), 0);
    assert_int_equal(tls_csr_new(key, "a.example", &csr, NULL), 0);
    assert_int_equal(tls_csr_new(key, "b.example", &csr2, NULL), 0);
    assert_int_equal(tls_csr_new(other, "a.example", &csr3, NULL), 0);
    struct tls_leaf leaf = {.dns_name = "director.test", .server = true, .days = 1};
    assert_int_equal(tls_ca_sign(ca.key, ca.cert, csr, &leaf, &cert, NULL), 0);
    char a[SHA256_HEX], b[SHA256_HEX], c[SHA256_HEX], d[SHA256_HEX];
    assert_int_equal(tls_csr_key_id(csr, a, NULL), 0);
    assert_int_equal(tls_csr_key_id(csr2, b, NULL), 0);
    assert_int_equal(tls_csr_key_id(csr3, c, NULL), 0);
    assert_int_equal(tls_csr_key_id(cert, d, NULL), 0);
    assert_string_equal(a, b);
    assert_string_equal(a, d);
    assert_string_not_equal(a, c);
    /* The signer would read the request, so nothing else may be in the same text. */
    _cleanup_free_ char *both = str_printf("%s%s", cert, csr3);
    assert_int_equal(tls_csr_key_id(both, d, NULL), ERR_INVALID);
    fixture_ca_done(&ca);
}

static void unreadable_certificates(void **state)
{
    _cleanup_free_ char *name = NULL;
    assert_int_equal(tls_cert_info("", &name, NULL, NULL, NULL), ERR_INVALID);
    assert_int_equal(tls_cert_info("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &name,
                                   NULL, NULL, NULL),
                     ERR_INVALID);
    struct fixture_ca ca = {0};
    fixture_ca_init(&ca); /* an authority has no DNS name */
    assert_int_equal(tls_cert_info(ca.cert, &name, NULL, NULL, NULL), ERR_INVALID);
    assert_null(name);
    fixture_ca_done(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(names_refused),
        cmocka_unit_test(kinds_walk),
        cmocka_unit_test(leaf_says_what_the_signer_decided),
        cmocka_unit_test(leading_zeros_of_a_serial_are_kept),
        cmocka_unit_test(authority_has_path_length_zero),
        cmocka_unit_test(tampered_request_is_refused),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(key_id_is_of_the_key),
        cmocka_unit_test(unreadable_certificates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
