<?php
// Ways to connect of PHP programs: connect.php sync|async HOST. Prints what the server said.
[, $way, $host] = $argv;
$flags = STREAM_CLIENT_CONNECT | ($way === 'async' ? STREAM_CLIENT_ASYNC_CONNECT : 0);
$stream = stream_socket_client("tcp://$host:7777", $code, $message, 15, $flags);
if (!$stream)
	exit("$message\n");
if ($way === 'async') {
	$read = $except = null;
	$write = [$stream];
	if (stream_select($read, $write, $except, 15) !== 1 || !stream_socket_get_name($stream, true))
		exit("not connected\n");
}
echo stream_get_contents($stream);
