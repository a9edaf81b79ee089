<?php
/*
 * The same file on all nodes: what differs from one site to the next comes from the environment of the service.
 *
 *   MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD   of the mysql service that is referred to
 *   MYSQL_DATABASE     without it, "wordpress"; made and filled at the first start
 *   WORDPRESS_URL      "https://blog.example": the one address of the site; without it, the address that was asked for
 *   WORDPRESS_SECRET   what cookies are signed with; without it, MYSQL_PASSWORD: changing that logs everybody out
 */
foreach (['MYSQL_HOST', 'MYSQL_USER', 'MYSQL_PASSWORD'] as $conpaas_name) {
    if ((string)getenv($conpaas_name) === '') {
        http_response_code(503);
        header('Content-Type: text/plain; charset=utf-8');
        exit("WordPress needs a database: let this service refer to a mysql service ($conpaas_name is not set).\n");
    }
}
define('DB_HOST', getenv('MYSQL_HOST') . ':' . (getenv('MYSQL_PORT') ?: '3306'));
define('DB_NAME', getenv('MYSQL_DATABASE') ?: 'wordpress');
define('DB_USER', getenv('MYSQL_USER'));
define('DB_PASSWORD', getenv('MYSQL_PASSWORD'));
define('DB_CHARSET', 'utf8mb4');
define('DB_COLLATE', '');
$table_prefix = 'wp_';

/* All nodes sign alike, and nobody else can. */
foreach (['AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE'] as $conpaas_name) {
    foreach (['KEY', 'SALT'] as $conpaas_kind) {
        define("{$conpaas_name}_{$conpaas_kind}",
               hash_hmac('sha256', "wordpress {$conpaas_name} {$conpaas_kind}",
                         getenv('WORDPRESS_SECRET') ?: getenv('MYSQL_PASSWORD')));
    }
}

$conpaas_url = rtrim((string)getenv('WORDPRESS_URL'), '/');
define('CONPAAS_URL_IS_FIXED', $conpaas_url !== '');
if (!CONPAAS_URL_IS_FIXED) {
    $conpaas_host = $_SERVER['HTTP_HOST'] ?? 'localhost';
    $conpaas_url = 'http://' . (preg_match('/^[A-Za-z0-9.-]+(:[0-9]+)?$/D', $conpaas_host) ? $conpaas_host : 'localhost');
}
if (str_starts_with($conpaas_url, 'https://')) {
    $_SERVER['HTTPS'] = 'on';
}
define('WP_HOME', $conpaas_url);
define('WP_SITEURL', $conpaas_url);

/* Code is the same on all nodes because it only comes as versions: nothing changes it in place. */
define('DISALLOW_FILE_MODS', true);
define('AUTOMATIC_UPDATER_DISABLED', true);
define('WP_AUTO_UPDATE_CORE', false);
/* Due work is done after an answer was sent, by conpaas.php: a request of a node to itself has no address. */
define('DISABLE_WP_CRON', true);
define('WP_DEBUG', false);

if (!defined('ABSPATH')) {
    define('ABSPATH', __DIR__ . '/');
}
require_once ABSPATH . 'wp-settings.php';
