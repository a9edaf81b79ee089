<?php
/* Writes Site.php, what ./pack knows of one wiki: php make-site.php TITLE LANGUAGE SKINS EXTENSIONS */
[, $title, $language, $skins, $extensions] = $argv;
echo "<?php\nreturn ", var_export([
    'name' => $title,
    'namespace' => preg_replace('/[^\p{L}\p{N}._-]+/u', '_', $title),
    'language' => $language,
    'skins' => explode(' ', $skins),
    'extensions' => explode(' ', $extensions),
], true), ";\n";
