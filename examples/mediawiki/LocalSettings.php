<?php
/*
 * The same file on all nodes: what differs from one wiki to the next comes from Site.php, which ./pack writes, and
 * from the environment of the service.
 *
 *   MYSQL_HOST, MYSQL_PORT, MYSQL_USER, MYSQL_PASSWORD   of the mysql service that is referred to
 *   MYSQL_DATABASE         without it, "mediawiki"; made and filled at the first start
 *   MEDIAWIKI_URL          "https://wiki.example": the one address; without it, the address that was asked for
 *   MEDIAWIKI_SECRET       what cookies are signed with; without it, MYSQL_PASSWORD: changing that logs everybody out
 */
if (!defined('MEDIAWIKI')) {
    exit;
}
foreach (['MYSQL_HOST', 'MYSQL_USER', 'MYSQL_PASSWORD'] as $conpaasName) {
    if ((string)getenv($conpaasName) === '') {
        http_response_code(503);
        header('Content-Type: text/plain; charset=utf-8');
        exit("MediaWiki needs a database: let this service refer to a mysql service ($conpaasName is not set).\n");
    }
}
require_once "$IP/Conpaas.php";
conpaas_check_path();
$conpaasSite = require "$IP/Site.php";
$conpaasSecret = getenv('MEDIAWIKI_SECRET') ?: getenv('MYSQL_PASSWORD');

$wgSitename = $conpaasSite['name'];
$wgMetaNamespace = $conpaasSite['namespace'];
$wgLanguageCode = $conpaasSite['language'];
$wgSecretKey = hash_hmac('sha256', 'mediawiki secret key', $conpaasSecret);
$wgAuthenticationTokenVersion = '1';

/* Addresses: /wiki/Page, which the proxy hands on to index.php. */
$wgServer = rtrim((string)getenv('MEDIAWIKI_URL'), '/') ?: conpaas_server($_SERVER['HTTP_HOST'] ?? '');
$wgScriptPath = '';
$wgResourceBasePath = '';
$wgArticlePath = '/wiki/$1';
$wgUsePathInfo = true;

/* The database, through the relay of this node. */
$wgDBtype = 'mysql';
$wgDBname = getenv('MYSQL_DATABASE') ?: 'mediawiki';
$wgDBuser = getenv('MYSQL_USER');
$wgDBpassword = getenv('MYSQL_PASSWORD');
$wgDBserver = getenv('MYSQL_HOST') . ':' . (getenv('MYSQL_PORT') ?: '3306');
$wgDBprefix = '';
$wgDBTableOptions = 'ENGINE=InnoDB, DEFAULT CHARSET=binary';
if (!defined('MEDIAWIKI_INSTALL')) {
    $wgDBservers = [[
        'host' => $wgDBserver, 'dbname' => $wgDBname, 'user' => $wgDBuser, 'password' => $wgDBpassword,
        'type' => 'conpaas', 'flags' => DBO_DEFAULT, 'load' => 1,
    ]];
    $wgSearchType = 'SearchMySQL';
}

/* What all nodes must see alike is in the database. */
$wgMainCacheType = CACHE_DB;
$wgMessageCacheType = CACHE_DB;
$wgParserCacheType = CACHE_DB;
$wgSessionCacheType = CACHE_DB;
/* Made from this version's own files: each node has its own, and it never goes stale. */
$wgCacheDirectory = "$IP/cache";
$wgLocalisationCacheConf['storeClass'] = ConpaasMessages::class;
/* The age of a file says when this node got it. */
$wgInvalidateCacheOnLocalSettingsChange = false;

/* Files would be on one node only. */
$wgEnableUploads = false;
/* Nodes have nothing that sends letters. */
$wgEnableEmail = false;
$wgPingback = false;
$wgDiff3 = '';
$wgShellLocale = 'C.UTF-8';
$wgRightsText = '';

$wgDefaultSkin = 'vector';
foreach ($conpaasSite['skins'] as $conpaasName) {
    wfLoadSkin($conpaasName);
}
foreach ($conpaasSite['extensions'] as $conpaasName) {
    wfLoadExtension($conpaasName);
}
