#!/usr/bin/env bash
# nginx as a proxy: nginx.bash HOST WORKERS. Four requests at once go through nginx, which listens
# on a socket in $HOME, to http://HOST/; prints what they brought. nginx resolves HOST as it reads its
# configuration, in the master; the workers connect, and let the addresses take turns.
set -u

cat >"$HOME/nginx.conf" <<-CONFIG
	daemon off;
	user root;
	worker_processes $2;
	pid $HOME/nginx.pid;
	error_log $HOME/nginx.log warn;
	events { worker_connections 100; }
	http {
	    access_log off;
	    client_body_temp_path $HOME;
	    proxy_temp_path $HOME;
	    fastcgi_temp_path $HOME;
	    scgi_temp_path $HOME;
	    uwsgi_temp_path $HOME;
	    server {
	        listen unix:$HOME/nginx.sock;
	        location / { proxy_pass http://$1/; }
	    }
	}
CONFIG
nginx -e "$HOME/nginx.log" -c "$HOME/nginx.conf" &
nginx=$!
trap 'kill "$nginx" 2>/dev/null; wait "$nginx"' EXIT

for ((tries = 0; tries < 200; tries++)); do
	[[ ! -S $HOME/nginx.sock ]] || break
	sleep 0.02
done
requests=()
for ((i = 0; i < 4; i++)); do
	curl -sS -w '%{http_code}\n' --unix-socket "$HOME/nginx.sock" http://proxy/ >"$HOME/page$i" &
	requests+=($!)
done
wait "${requests[@]}"
cat "$HOME"/page*
# What nginx complained about; natively it does when an address fails, and only then.
grep -E '\[(error|crit|alert)\]' "$HOME/nginx.log" | sed 's/.*\] [0-9#]*: //' >&2
exit 0
