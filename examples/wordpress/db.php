<?php
/*
 * wp-content/db.php: WordPress on a database that is a cluster.  Nodes of it come and go; the relay of this node leads
 * new connections to one that works, but a connection to the one that went is lost.  So a connection is tried again
 * for some seconds, and a query is repeated when that is safe: one that was refused or rolled back as a whole always,
 * one whose answer was lost only if it reads.
 */
require_once __DIR__ . '/first-start.php';

class Conpaas_Db extends wpdb
{
    private const PATIENCE_S = 10;
    private const TRIES = 6;
    private const LOST = [2006, 2013];
    private const NOT_NOW = [1040, 1047, 1053, 1158, 1159, 1160, 1161, 1927, 2002, 2003, 2006, 2013];
    private const NOT_DONE = [1047, 1205, 1213];
    private bool $in_transaction = false;

    public function db_connect($allow_bail = true)
    {
        $deadline = microtime(true) + self::PATIENCE_S;
        $this->is_mysql = true;
        mysqli_report(MYSQLI_REPORT_OFF);
        do {
            $this->dbh = mysqli_init();
            $this->dbh->options(MYSQLI_OPT_CONNECT_TIMEOUT, 5);
            if (@$this->dbh->real_connect(getenv('MYSQL_HOST'), $this->dbuser, $this->dbpassword, '',
                                          (int)(getenv('MYSQL_PORT') ?: 3306))) {
                if (!wp_installing()) {
                    conpaas_first_start($this->dbh, $this->dbname, 'wp_options', __DIR__ . '/first-data.php');
                }
                $this->dbh->select_db($this->dbname);
                $this->init_charset();
                $this->set_charset($this->dbh);
                $this->ready = true;
                $this->set_sql_mode();
                return true;
            }
            $again = in_array($this->dbh->connect_errno, self::NOT_NOW, true);
            $this->dbh = null;
            usleep(100000);
        } while ($again && microtime(true) < $deadline);
        return $allow_bail ? parent::db_connect(true) : false;
    }

    public function query($query)
    {
        for ($try = 1;; $try++) {
            $result = parent::query($query);
            $errno = $this->dbh instanceof mysqli ? $this->dbh->errno : 2006;
            if ($result === false && $try < self::TRIES && $this->may_repeat($query, $errno)) {
                usleep(50000 << $try);
                if (in_array($errno, self::LOST, true) && !$this->db_connect(false)) {
                    return false;
                }
                continue;
            }
            if (preg_match('/^\s*(START\s+TRANSACTION|BEGIN|COMMIT|ROLLBACK)\b/i', $query, $m)) {
                $this->in_transaction = $result !== false && strtoupper($m[1])[0] !== 'C' && strtoupper($m[1])[0] !== 'R';
            }
            return $result;
        }
    }

    private function may_repeat($query, $errno)
    {
        if ($this->in_transaction) {
            return false;
        }
        $reads = preg_match('/^\s*(SELECT|SHOW|DESCRIBE|DESC)\b/i', $query);
        return in_array($errno, self::NOT_DONE, true) || ($reads && in_array($errno, self::LOST, true));
    }
}
$wpdb = new Conpaas_Db(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
