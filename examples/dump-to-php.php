<?php
/*
 * A dump as a PHP file that returns its statements: in an archive, where nobody can read it through the web server.
 *   php dump-to-php.php DUMP >FILE.php
 */
$statements = [];
$text = '';
foreach (file($argv[1]) as $line) {
    if ($text === '' && (trim($line) === '' || str_starts_with($line, '--'))) {
        continue;
    }
    $text .= $line;
    if (str_ends_with(rtrim($line), ';')) { /* mariadb-dump ends no line within a value: newlines there are escaped */
        $statements[] = rtrim(rtrim($text), ';');
        $text = '';
    }
}
echo "<?php\nreturn ", var_export($statements, true), ";\n";
