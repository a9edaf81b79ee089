<?php
/*
 * MediaWiki on several nodes that come and go.
 */

require_once __DIR__ . '/first-start.php';

/* The address that was asked for, if it is one. */
function conpaas_server(string $host): string
{
    return 'http://' . (preg_match('/^[A-Za-z0-9.-]+(:[0-9]+)?$/D', $host) ? $host : 'localhost');
}

/* The proxy hands every unknown address to index.php, which would show the main page for any of them. */
function conpaas_check_path(): void
{
    $path = rawurldecode((string)parse_url($_SERVER['REQUEST_URI'] ?? '/', PHP_URL_PATH));
    $script = $_SERVER['SCRIPT_NAME'] ?? '';
    if (PHP_SAPI !== 'cli' && $script === '/index.php' && !preg_match('#^/+(index\.php.*|wiki(/.*)?)?$#sD', $path)) {
        http_response_code(404);
        header('Content-Type: text/plain; charset=utf-8');
        exit("There is no such file.\n");
    }
}

/*
 * The database is a cluster. MediaWiki repeats a query itself when its connection was lost and that is safe; here a
 * connection is tried again for some seconds, and a node that is not ready counts as lost.
 */
class DatabaseConpaas extends Wikimedia\Rdbms\DatabaseMysqli
{
    private const PATIENCE_S = 10;
    private static float $patient_until = 0; /* of all connections of a request together */
    private const NOT_NOW = [1040, 1047, 1053, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013];

    protected function mysqlConnect($server, $user, $password, $db)
    {
        self::$patient_until = self::$patient_until ?: microtime(true) + self::PATIENCE_S;
        do {
            $connection = @parent::mysqlConnect($server, $user, $password, '');
            if ($connection) {
                conpaas_first_start($connection, $db, 'site_stats', __DIR__ . '/first-data.php');
                $connection->select_db($db);
            }
            if ($connection || !in_array(mysqli_connect_errno(), self::NOT_NOW, true)) {
                self::$patient_until = $connection ? 0 : self::$patient_until;
                return $connection;
            }
            usleep(100000);
        } while (microtime(true) < self::$patient_until);
        return null;
    }

    protected function isConnectionError($errno)
    {
        return $errno === 1047 || parent::isConnectionError($errno);
    }
}

/* Texts of the interface: a version's files never change in place, so what was made of them stays good. */
class ConpaasMessages extends LCStoreStaticArray
{
    public function get($code, $key)
    {
        $value = parent::get($code, $key);
        return $key === 'deps' && $value !== null ? [] : $value;
    }
}
