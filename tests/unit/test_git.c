/*
 * Pushes: what clients may ask for, what updates of branches mean, names of repositories, sshd's files.
 */
#include "cm.h"

#include "git/command.h"
#include "git/refs.h"
#include "git/sshd_config.h"
#include "model/git_name.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHjxKJM/jL7fqKN3CV1OLJz7Hu61CQdFBzsZQWqBMnuk"
#define ZERO "0000000000000000000000000000000000000000"
#define ONE "1111111111111111111111111111111111111111"
#define TWO "2222222222222222222222222222222222222222"

static void test_command(void **state)
{
    static const char *const bad[] = {
        "",
        "id",
        "git-upload-archive 'shop'",
        "git-upload-pack",
        "git-upload-pack ",
        "git-upload-pack shop",
        "git-upload-pack ''",
        "git-upload-pack '-x'",
        "git-upload-pack '--upload-pack=id'",
        "git-upload-pack --strict 'shop'",
        "git-upload-pack  'shop'",
        "git-upload-pack 'shop'; id",
        "git-upload-pack 'sh'\\''op'",
        "git-upload-pack 'shop' 'other'",
        "git-upload-pack 'shop",
        " git-upload-pack 'shop'",
        "GIT_DIR=x git-upload-pack 'shop'",
        "/usr/bin/git-upload-pack 'shop'",
        "git-shell -c 'id'",
        "git-receive-packs 'shop'",
    };
    struct git_command c;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = {0};
        assert_true(git_command_parse(bad[i], &c, &e) < 0);
        assert_non_null(e.message);
        err_done(&e);
    }
    assert_true(git_command_parse(NULL, &c, NULL) < 0);
    assert_int_equal(git_command_parse("git-upload-pack 'shop/api.git'", &c, NULL), 0);
    assert_int_equal(c.service, GIT_UPLOAD_PACK);
    assert_string_equal(c.name, "shop/api.git");
    assert_int_equal(git_command_parse("git receive-pack '/my shop/a (b)'", &c, NULL), 0);
    assert_int_equal(c.service, GIT_RECEIVE_PACK);
    assert_string_equal(c.name, "/my shop/a (b)");
    char *text = str_printf("git-upload-pack '%0300d'", 1);
    assert_true(git_command_parse(text, &c, NULL) < 0);
    free(text);
}

static void test_session(void **state)
{
    static const char *const bad[] = {"",
                                      "session",
                                      "session x y",
                                      "session " KEY,
                                      "session " KEY " relative",
                                      "session ssh-rsa AAAA /etc/x",
                                      "id",
                                      "session  /etc/x"};
    struct git_session s;
    struct ssh_key key;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(git_session_parse(bad[i], &s, NULL) < 0);
    }
    assert_int_equal(git_session_parse("session " KEY " /etc/conpaas/git.conf", &s, NULL), 0);
    assert_string_equal(s.config, "/etc/conpaas/git.conf");
    assert_int_equal(ssh_key_parse(KEY " ann\" command=\"id", &key, NULL), 0);
    char *line = git_session_line(&key, "/etc/x");
    assert_string_equal(line, "restrict,command=\"session " KEY " /etc/x\" " KEY "\n"); /* no comment in it */
    free(line);
}

static int parse(const char *text, struct refs *ret)
{
    *ret = (struct refs){.deploy = ""};
    return refs_parse(text, ret, NULL);
}

static void test_refs(void **state)
{
    static const char *const bad[] = {
        ONE " " ZERO " refs/heads/main\n",
        ZERO " " ZERO " refs/heads/master\n",
        ZERO " " ONE " refs/heads/main\n" ZERO " " ONE " refs/heads/master\n",
        ZERO " " ONE " refs/notes/x\n",
        ZERO " " ONE " HEAD\n",
        ZERO " " ONE " refs/heads\n",
        ZERO " " ONE "\n",
        "x y refs/heads/main\n",
        ZERO " " ONE " refs/heads/a b\n",
        ZERO " --output=x refs/heads/main\n",
    };
    struct refs r;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(parse(bad[i], &r) < 0);
    }
    assert_int_equal(parse("", &r), 0);
    assert_string_equal(r.deploy, "");
    assert_int_equal(parse(ZERO " " ONE " refs/heads/main\n", &r), 0);
    assert_string_equal(r.deploy, ONE);
    assert_string_equal(r.branch, "main");
    assert_int_equal(parse(ONE " " TWO " refs/heads/master\n" ZERO " " ONE " refs/heads/x/main\n" ONE " " ZERO
                               " refs/heads/old\n" ZERO " " ONE " refs/tags/v\033[1m\n",
                           &r),
                     0);
    assert_string_equal(r.deploy, TWO);
    assert_string_equal(r.branch, "master");
    assert_string_equal(r.kept.data, "x/main, v?[1m");
    refs_done(&r);
    struct buf many = {0};
    for (int i = 0; i <= REFS_PUSH_MAX; i++) {
        buf_addf(&many, ZERO " " ONE " refs/tags/t%d\n", i);
    }
    assert_true(parse(many.data, &r) < 0);
    buf_done(&many);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"",        "/",    "..",   "../shop", "shop/..",    "shop//api",
                                      "a/b/c/d", "-x",   "a/-b", "~/shop",  ".git",       "a/.git",
                                      "0",       "a\\b", "a\nb", "a'b",     "shop/api/ ", "%2e%2e"};
    struct git_name n;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_true(git_name_parse(bad[i], &n, NULL) < 0);
    }
    assert_int_equal(git_name_parse("/shop/api.git/", &n, NULL), 0);
    assert_int_equal(n.n, 2);
    assert_true(git_name_is(&n, 0, "shop", 1));
    assert_false(git_name_is(&n, 0, "sho", 1));
    assert_true(git_name_is(&n, 1, "api", 2));
    assert_true(git_name_is(&n, 1, "api.git", 2)); /* a service may be called so */
    assert_false(git_name_is(&n, 1, "api.gi", 2));
    assert_int_equal(git_name_parse("ann/7/12.git", &n, NULL), 0);
    assert_true(git_name_is(&n, 1, "x", 7));
    assert_true(git_name_is(&n, 2, "y", 12));
    assert_false(git_name_is(&n, 2, "y", 1));
    assert_int_equal(git_name_parse("shop.git/api", &n, NULL), 0);
    assert_false(git_name_is(&n, 0, "shop", 1)); /* only behind the last part */
    char *url = git_name_url("git", "paas.example.org", 22, "shop", "my api");
    assert_string_equal(url, "git@paas.example.org:shop/my api");
    free(url);
    url = git_name_url("git", "::1", 2222, "my shop", "\xc3\xa4(1)");
    assert_string_equal(url, "ssh://git@[::1]:2222/my%20shop/%C3%A4%281%29");
    free(url);
}

static void test_sshd(void **state)
{
    static const char *const off[] = {"PasswordAuthentication no\n",
                                      "KbdInteractiveAuthentication no\n",
                                      "PermitTTY no\n",
                                      "PermitUserRC no\n",
                                      "PermitUserEnvironment no\n",
                                      "DisableForwarding yes\n",
                                      "AllowUsers git\n",
                                      "AuthenticationMethods publickey\n",
                                      "PermitRootLogin no\n",
                                      "AuthorizedKeysFile none\n"};
    struct git_config c = {.path = (char *)"/etc/conpaas/git.conf",
                           .dir = (char *)"/var/lib/conpaas/git",
                           .listen = (char *)"0.0.0.0",
                           .login = (char *)"git",
                           .port = 2222};
    struct buf b = {0};
    sshd_config_write(&b, &c, "/usr/lib/conpaas-git");
    for (size_t i = 0; i < ARRAY_LEN(off); i++) {
        assert_non_null(strstr(b.data, off[i]));
    }
    assert_null(strstr(b.data, "AcceptEnv"));
    assert_null(strstr(b.data, "Subsystem"));
    assert_non_null(strstr(b.data, "/usr/lib/conpaas-git --config /etc/conpaas/git.conf keys %t %k\n"));
    buf_reset(&b);
    sshd_passwd_write(&b, &c, "/usr/lib/conpaas-git", 990, 991);
    assert_string_equal(b.data, "git:x:990:991::/var/lib/conpaas/git:/usr/lib/conpaas-git\n");
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_command), cmocka_unit_test(test_session), cmocka_unit_test(test_refs),
        cmocka_unit_test(test_names),   cmocka_unit_test(test_sshd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
