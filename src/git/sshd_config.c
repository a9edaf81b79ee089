/*
 * One login, by key, for two commands. Everything else that sshd can do is off twice: here and by the "restrict" of
 * every key's line.
 */
#include "git/sshd_config.h"

static const char fixed[] = "UsePAM no\n"
                            "UseDNS no\n"
                            "PidFile none\n"
                            "StrictModes no\n" /* no file of a home directory is read */
                            "PubkeyAuthentication yes\n"
                            "AuthenticationMethods publickey\n"
                            "PasswordAuthentication no\n"
                            "KbdInteractiveAuthentication no\n"
                            "HostbasedAuthentication no\n"
                            "PermitEmptyPasswords no\n"
                            "PermitRootLogin no\n"
                            "AuthorizedKeysFile none\n"
                            "AuthorizedPrincipalsFile none\n"
                            "DisableForwarding yes\n"
                            "AllowTcpForwarding no\n"
                            "AllowStreamLocalForwarding no\n"
                            "AllowAgentForwarding no\n"
                            "X11Forwarding no\n"
                            "PermitTunnel no\n"
                            "GatewayPorts no\n"
                            "PermitListen none\n"
                            "PermitOpen none\n"
                            "PermitTTY no\n"
                            "PermitUserRC no\n"
                            "PermitUserEnvironment no\n"
                            "PrintMotd no\n"
                            "PrintLastLog no\n"
                            "VersionAddendum none\n"
                            "Compression no\n"
                            "MaxAuthTries 10\n" /* people have many keys in their agents */
                            "MaxSessions 1\n"
                            "MaxStartups 20:30:60\n"
                            "PerSourceMaxStartups 20\n"
                            "LoginGraceTime 20\n"
                            "ClientAliveInterval 30\n"
                            "ClientAliveCountMax 4\n"
                            "LogLevel INFO\n";

/* By env: sshd asks that the first program and all folders above belong to root, which says nothing when sshd itself
 * runs as the user who may replace it. */
void sshd_config_write(struct buf *out, const struct git_config *c, const char *program)
{
    buf_addf(out, "# Written by conpaas-git at every start.\nPort %lld\nListenAddress %s\n",
             (long long)c->port, c->listen);
    buf_addf(out, "HostKey \"%s/host_key\"\nAllowUsers %s\n", c->dir, c->login);
    buf_addf(out,
             "AuthorizedKeysCommand /usr/bin/env %s --config %s keys %%t %%k\nAuthorizedKeysCommandUser %s\n",
             program, c->path, c->login);
    buf_adds(out, fixed);
}

void sshd_passwd_write(struct buf *out, const struct git_config *c, const char *program, unsigned uid,
                       unsigned gid)
{
    buf_addf(out, "%s:x:%u:%u::%s:%s\n", c->login, uid, gid, c->dir, program);
}

void sshd_group_write(struct buf *out, const struct git_config *c, unsigned gid)
{
    buf_addf(out, "%s:x:%u:\n", c->login, gid);
}
