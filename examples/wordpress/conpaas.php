<?php
/*
 * Plugin Name: WordPress on ConPaaS
 * Description: Media in the database, where all nodes find them; addresses without a host; due work after the answer.
 *
 * wp-content/mu-plugins/conpaas.php: what WordPress must know when it runs on several nodes that come and go.
 */

/* ---- media: kept in the database; files in wp-content/uploads are a node's own copies ---- */

const CONPAAS_MEDIA_PART = 1 << 20;
const CONPAAS_MEDIA_AT = '/wp-content/uploads/';

function conpaas_media_table()
{
    global $wpdb;
    return $wpdb->prefix . 'conpaas_media';
}

function conpaas_media_make_table()
{
    global $wpdb;
    $wpdb->query('CREATE TABLE IF NOT EXISTS ' . conpaas_media_table() . ' (path VARBINARY(255) NOT NULL,
        part INT UNSIGNED NOT NULL, type VARCHAR(100) NOT NULL, changed INT UNSIGNED NOT NULL, body MEDIUMBLOB NOT NULL,
        PRIMARY KEY (path, part)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4');
}

/* Path below wp-content/uploads, or null for a file elsewhere. */
function conpaas_media_path($file)
{
    $base = WP_CONTENT_DIR . '/uploads/';
    return is_string($file) && str_starts_with($file, $base) ? substr($file, strlen($base)) : null;
}

function conpaas_media_store($file)
{
    global $wpdb;
    $path = conpaas_media_path($file);
    if ($path === null || strlen($path) > 255 || !is_file($file)) {
        return;
    }
    $table = conpaas_media_table();
    $changed = filemtime($file);
    if ($changed == $wpdb->get_var($wpdb->prepare("SELECT changed FROM $table WHERE path = %s AND part = 0", $path))) {
        return;
    }
    $type = wp_check_filetype($file)['type'] ?: 'application/octet-stream';
    conpaas_media_make_table();
    $wpdb->query('START TRANSACTION');
    $good = $wpdb->query($wpdb->prepare("DELETE FROM $table WHERE path = %s", $path)) !== false;
    $in = fopen($file, 'rb');
    for ($part = 0; $good && ($part === 0 || !feof($in)); $part++) {
        $body = fread($in, CONPAAS_MEDIA_PART);
        $good = $wpdb->query($wpdb->prepare("INSERT INTO $table (path, part, type, changed, body) VALUES (%s, %d, %s, %d, ",
                                            $path, $part, $type, $changed) . "x'" . bin2hex($body) . "')") !== false;
    }
    fclose($in);
    $wpdb->query($good ? 'COMMIT' : 'ROLLBACK');
}

/* All files that an attachment has. */
function conpaas_media_files($id, $data)
{
    $file = get_attached_file($id, true);
    if (!$file) {
        return [];
    }
    $names = [basename($file)];
    $backups = get_post_meta($id, '_wp_attachment_backup_sizes', true);
    foreach (array_merge($data['sizes'] ?? [], is_array($backups) ? $backups : []) as $size) {
        $names[] = $size['file'] ?? '';
    }
    $names[] = $data['original_image'] ?? '';
    return array_map(fn($name) => dirname($file) . '/' . $name, array_unique(array_filter($names)));
}

add_action('add_attachment', fn($id) => conpaas_media_store(get_attached_file($id, true)));
add_filter('wp_update_attachment_metadata', function ($data, $id) {
    array_map('conpaas_media_store', conpaas_media_files($id, is_array($data) ? $data : []));
    return $data;
}, 100, 2);
add_action('delete_attachment', function ($id) {
    global $wpdb;
    $data = wp_get_attachment_metadata($id, true);
    foreach (conpaas_media_files($id, is_array($data) ? $data : []) as $file) {
        $wpdb->query($wpdb->prepare('DELETE FROM ' . conpaas_media_table() . ' WHERE path = %s', conpaas_media_path($file)));
    }
});

/* hook(TYPE, CHANGED) once, then hook(BODY) for each part; false: there is no such path. */
function conpaas_media_read($path, $begin, $add)
{
    global $wpdb;
    $table = conpaas_media_table();
    $was = $wpdb->suppress_errors();
    for ($part = 0; $row = $wpdb->get_row($wpdb->prepare("SELECT type, changed, body FROM $table WHERE path = %s AND part = %d",
                                                         $path, $part)); $part++) {
        if ($part === 0) {
            $begin($row->type, (int)$row->changed);
        }
        $add($row->body);
    }
    $wpdb->suppress_errors($was);
    return $part > 0;
}

/* A file that another node received, when PHP needs it here. */
function conpaas_media_fetch($file)
{
    $path = conpaas_media_path($file);
    if ($path === null || file_exists($file) || str_contains($path, '..')) {
        return $file;
    }
    wp_mkdir_p(dirname($file));
    $new = tempnam(dirname($file), '.new-');
    $out = fopen($new, 'wb');
    $when = 0;
    $good = conpaas_media_read($path, function ($type, $changed) use (&$when) { $when = $changed; },
                               fn($body) => fwrite($out, $body));
    fclose($out);
    chmod($new, 0644);
    touch($new, $when);
    $good ? rename($new, $file) : unlink($new);
    return $file;
}
add_filter('get_attached_file', 'conpaas_media_fetch');
add_filter('wp_get_original_image_path', 'conpaas_media_fetch');
add_filter('load_image_to_edit_path', 'conpaas_media_fetch');

/* A name is taken when any node has taken it. */
add_filter('pre_wp_unique_filename_file_list', function ($files, $dir) {
    global $wpdb;
    $below = conpaas_media_path(trailingslashit($dir) . 'x');
    if ($below === null) {
        return $files;
    }
    $below = substr($below, 0, -1);
    $was = $wpdb->suppress_errors();
    $taken = $wpdb->get_col($wpdb->prepare('SELECT path FROM ' . conpaas_media_table() . ' WHERE part = 0 AND path LIKE %s',
                                           $wpdb->esc_like($below) . '%'));
    $wpdb->suppress_errors($was);
    return array_unique(array_merge(is_dir($dir) ? scandir($dir) : [], array_map('basename', $taken)));
}, 10, 2);

/* An address that is no file of this version comes here: it may be a picture. */
function conpaas_media_serve()
{
    $path = rawurldecode((string)parse_url($_SERVER['REQUEST_URI'] ?? '', PHP_URL_PATH));
    if (!str_starts_with($path, CONPAAS_MEDIA_AT)) {
        return;
    }
    $found = conpaas_media_read(substr($path, strlen(CONPAAS_MEDIA_AT)), function ($type, $changed) {
        $tag = '"' . dechex($changed) . '"';
        header("Content-Type: $type");
        header('X-Content-Type-Options: nosniff');
        header('Cache-Control: public, max-age=86400');
        header("ETag: $tag");
        if (($_SERVER['HTTP_IF_NONE_MATCH'] ?? '') === $tag) {
            http_response_code(304);
            exit;
        }
    }, function ($body) { echo $body; });
    if (!$found) {
        http_response_code(404);
        header('Content-Type: text/plain; charset=utf-8');
        echo "There is no such file.\n";
    }
    exit;
}
if (PHP_SAPI !== 'cli' && !wp_installing()) {
    conpaas_media_serve();
}

/* ---- addresses ---- */

/* The proxy hands on what it does not know to index.php: addresses without index.php work. */
add_filter('got_url_rewrite', '__return_true');

if (!CONPAAS_URL_IS_FIXED) {
    /* The site is where it is asked for, so its own pictures and links are kept without a host. */
    add_filter('content_save_pre', fn($text) => preg_replace('#((?:src|href)=\\\\?["\'])' . preg_quote(WP_HOME, '#') . '/#',
                                                             '$1/', $text));
    /* A letter would carry the address of whoever asked for it. */
    add_filter('allow_password_reset', '__return_false');
}

/* ---- work that is due ---- */

add_action('shutdown', function () {
    if (PHP_SAPI === 'cli' || wp_installing() || !empty($_POST) || defined('DOING_CRON') || !wp_get_ready_cron_jobs()) {
        return;
    }
    if (function_exists('fastcgi_finish_request')) {
        fastcgi_finish_request();
    }
    require ABSPATH . 'wp-cron.php';
}, PHP_INT_MAX);

/* ---- the world outside ---- */

/* New code comes as a version of this service: wordpress.org is not asked for any. */
remove_action('init', 'wp_schedule_update_checks');
add_filter('pre_http_request', fn($answer, $args, $url) => parse_url($url, PHP_URL_HOST) === 'api.wordpress.org'
    ? new WP_Error('http_request_not_executed', 'Updates come as versions of the service.') : $answer, 10, 3);
add_filter('http_request_args', fn($args) => ['sslcertificates' => '/etc/ssl/certs/ca-certificates.crt'] + $args);
add_filter('translations_api', fn() => ['translations' => []]);
