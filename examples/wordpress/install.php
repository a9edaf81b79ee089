<?php
/*
 * WordPress' own installation, without its form: run once by ./pack in a scratch machine, for the dump.
 *   php install.php TREE PASSWORD-FILE TITLE USER EMAIL LANGUAGE
 */
[, $tree, $password_file, $title, $user, $email, $language] = $argv;
define('WP_INSTALLING', true);
$_SERVER += ['HTTP_HOST' => 'localhost', 'REQUEST_URI' => '/', 'SERVER_NAME' => 'localhost', 'SERVER_PROTOCOL' => 'HTTP/1.1'];
function wp_new_blog_notification() {} /* no letter with a password */

require "$tree/wp-load.php";
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
$done = wp_install($title, $user, $email, true, '', trim(file_get_contents($password_file)), $language);
if (is_wp_error($done)) {
    fwrite(STDERR, $done->get_error_message() . "\n");
    exit(1);
}
/* Nothing names the scratch machine. */
wp_update_user(['ID' => $done['user_id'], 'user_url' => '']);
foreach (get_posts(['post_type' => ['page', 'post'], 'post_status' => 'any', 'numberposts' => -1]) as $post) {
    wp_update_post(wp_slash(['ID' => $post->ID, 'post_content' => str_replace('http://localhost/', '/', $post->post_content)]));
}
update_option('permalink_structure', '/%year%/%monthnum%/%day%/%postname%/');
$GLOBALS['wp_rewrite']->init();
flush_rewrite_rules(false);
conpaas_media_make_table();
foreach (['wp_version_check', 'wp_update_plugins', 'wp_update_themes'] as $hook) {
    wp_clear_scheduled_hook($hook);
}
echo "installed\n";
