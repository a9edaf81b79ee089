<?php
/* The sample application of `make nutshell`: which node answers, how often this visitor came, which version runs. */
session_start();
$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
$node = gethostname();
$version = trim((string) @file_get_contents(__DIR__ . '/version.txt'));
?>
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Hello from ConPaaS</title>
<link rel="stylesheet" href="style.css">
</head>
<body>
<h1>Hello from ConPaaS</h1>
<table>
<tr><th>node</th><td><?= htmlspecialchars($node) ?></td></tr>
<tr><th>your visits</th><td><?= (int) $_SESSION['visits'] ?></td></tr>
<tr><th>version</th><td><?= htmlspecialchars($version) ?></td></tr>
<tr><th>PHP</th><td><?= htmlspecialchars(PHP_VERSION) ?></td></tr>
</table>
<p>Reload the page: the counter goes on, whichever node answers.</p>
</body>
</html>
