#!/usr/bin/env bash
# nginx as a proxy: nginx.bash HOST WORKERS DIR. Four requests at once go through nginx, which listens
# on a socket in DIR, to http://HOST/; prints what they brought. nginx resolves HOST as it reads its
# configuration, in the master; the workers connect, and let the addresses take turns.
set -u

cat >"$3/nginx.conf" <<-CONFIG
	daemon off;
	user root;
	worker_processes $2;
	pid $3/nginx.pid;
	error_log $3/nginx.log warn;
	events { worker_connections 100; }
	http {
	    access_log off;
	    client_body_temp_path $3;
	    proxy_temp_path $3;
	    fastcgi_temp_path $3;
	    scgi_temp_path $3;
	    uwsgi_temp_path $3;
	    server {
	        listen unix:$3/nginx.sock;
	        location / { proxy_pass http://$1/; }
	    }
	}
CONFIG
nginx -e "$3/nginx.log" -c "$3/nginx.conf" &
nginx=$!
trap 'kill "$nginx" 2>/dev/null; wait "$nginx"' EXIT

for ((tries = 0; tries < 200; tries++)); do
	[[ ! -S $3/nginx.sock ]] || break
	sleep 0.02
done
requests=()
for ((i = 0; i < 4; i++)); do
	curl -sS -w '%{http_code}\n' --unix-socket "$3/nginx.sock" http://proxy/ &
	requests+=($!)
done
wait "${requests[@]}"
# What nginx complained about; natively it does when an address fails, and only then.
grep -v ' notice ' "$3/nginx.log" | sed 's/.*\] [0-9#]*: //' >&2
exit 0
