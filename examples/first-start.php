<?php
/*
 * The first start of an application on an empty database: what its own installer made at packing time is put there.
 * Shared by the ready-made applications; ./pack puts it, and the statements beside it, into their archives.
 *
 * All backends may come here at once: one does it, the others wait. One that ends half-way leaves its mark, and the
 * next begins anew. A database that has tables already, from a dump of yours for example, is never touched.
 */
function conpaas_first_start(mysqli $db, string $name, string $table, string $statements): void
{
    if (!$db->select_db($name)) {
        $db->query("CREATE DATABASE IF NOT EXISTS `$name` CHARACTER SET utf8mb4");
        $db->select_db($name);
    }
    $has = fn($name) => (bool)@$db->query("SELECT 1 FROM `$name` LIMIT 1");
    if ($has('conpaas_ready')) {
        return;
    }
    $db->query("SELECT GET_LOCK(CONCAT('conpaas ', DATABASE()), 60)");
    try {
        if ($has('conpaas_ready')) {
            return;
        }
        if ($has('conpaas_installing') || !$has($table)) {
            $db->query('CREATE TABLE IF NOT EXISTS conpaas_installing (id INT PRIMARY KEY) ENGINE=InnoDB');
            foreach (require $statements as $statement) {
                if (!$db->query($statement)) {
                    error_log('first start: ' . $db->error);
                    return;
                }
            }
            $db->query('DROP TABLE conpaas_installing');
        }
        $db->query('CREATE TABLE IF NOT EXISTS conpaas_ready (id INT PRIMARY KEY) ENGINE=InnoDB');
    } finally {
        $db->query("SELECT RELEASE_LOCK(CONCAT('conpaas ', DATABASE()))");
    }
}
