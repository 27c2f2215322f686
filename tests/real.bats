#!/usr/bin/env bats
# Real programs under libhe, in the lab, with everything that can be wrong with an address.
# The table of the programs is in tests/programs/real_programs.bash, the checks are in real_checks.bash
# beside it.

bats_require_minimum_version 1.5.0
load programs/real_checks

# These are run with everything dead.
DEAD=(wget ssh git perl perl_timed bash openssl python3 telnet busybox_nc nc rsync
	wget_timed ssh_timed perl_ip php_sync ruby_tcp psql dual_wait)

setup_file() {
	real_setup_file http sshd git tls rsync greeting redis postgres
	[[ -n ${LAB_WHY_NOT:-} ]] || dead_start "${DEAD[@]}"
}

# bats finds only what is spelled out.

@test "wget (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy wget; }
@test "wget_timed (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy wget_timed; }
@test "ssh (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy ssh; }
@test "ssh_timed (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy ssh_timed; }
@test "git (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy git; }
@test "perl (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy perl; }
@test "perl_timed (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy perl_timed; }
@test "perl_ip (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy perl_ip; }
@test "bash (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy bash; }
@test "openssl (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy openssl; }
@test "python3 (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy python3; }
@test "telnet (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy telnet; }
@test "busybox_nc (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy busybox_nc; }
@test "nc (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy nc; }
@test "rsync (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy rsync; }
@test "socat (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy socat; }
@test "socat_timed (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy socat_timed; }
@test "php_sync (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy php_sync; }
@test "php_async (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy php_async; }
@test "ruby_http (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy ruby_http; }
@test "ruby_tcp (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy ruby_tcp; }
@test "psql (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy psql; }
@test "dual_block (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy dual_block; }
@test "dual_wait (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy dual_wait; }

@test "wget (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed wget; }
@test "wget_timed (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed wget_timed; }
@test "ssh (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed ssh; }
@test "ssh_timed (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed ssh_timed; }
@test "git (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed git; }
@test "perl (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed perl; }
@test "perl_timed (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed perl_timed; }
@test "perl_ip (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed perl_ip; }
@test "bash (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed bash; }
@test "openssl (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed openssl; }
@test "python3 (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed python3; }
@test "telnet (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed telnet; }
@test "busybox_nc (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed busybox_nc; }
@test "nc (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed nc; }
@test "rsync (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed rsync; }
@test "socat (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed socat; }
@test "socat_timed (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed socat_timed; }
@test "php_sync (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed php_sync; }
@test "php_async (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed php_async; }
@test "ruby_http (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed ruby_http; }
@test "ruby_tcp (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed ruby_tcp; }
@test "psql (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed psql; }
@test "dual_block (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed dual_block; }
@test "dual_wait (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed dual_wait; }

@test "wget (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting wget; }
@test "wget_timed (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting wget_timed; }
@test "ssh (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting ssh; }
@test "ssh_timed (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting ssh_timed; }
@test "git (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting git; }
@test "perl (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting perl; }
@test "perl_timed (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting perl_timed; }
@test "perl_ip (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting perl_ip; }
@test "bash (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting bash; }
@test "openssl (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting openssl; }
@test "python3 (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting python3; }
@test "telnet (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting telnet; }
@test "busybox_nc (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting busybox_nc; }
@test "nc (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nc; }
@test "rsync (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting rsync; }
@test "socat (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting socat; }
@test "socat_timed (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting socat_timed; }
@test "php_sync (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting php_sync; }
@test "php_async (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting php_async; }
@test "ruby_http (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting ruby_http; }
@test "ruby_tcp (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting ruby_tcp; }
@test "psql (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting psql; }
@test "dual_block (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting dual_block; }
@test "dual_wait (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting dual_wait; }

@test "busybox_nc (IPv6 refused, without libhe) fails" { check_natively_refused busybox_nc; }
@test "socat (IPv6 refused, without libhe) fails" { check_natively_refused socat; }
@test "socat_timed (IPv6 refused, without libhe) fails" { check_natively_refused socat_timed; }
@test "php_async (IPv6 refused, without libhe) fails" { check_natively_refused php_async; }
@test "dual_block (IPv6 refused, without libhe) fails" { check_natively_refused dual_block; }
@test "dual_wait (IPv6 refused, without libhe) fails" { check_natively_refused dual_wait; }

@test "wget (IPv6 refused) connects over IPv4 at once" { check_refused wget; }
@test "wget_timed (IPv6 refused) connects over IPv4 at once" { check_refused wget_timed; }
@test "ssh (IPv6 refused) connects over IPv4 at once" { check_refused ssh; }
@test "ssh_timed (IPv6 refused) connects over IPv4 at once" { check_refused ssh_timed; }
@test "git (IPv6 refused) connects over IPv4 at once" { check_refused git; }
@test "perl (IPv6 refused) connects over IPv4 at once" { check_refused perl; }
@test "perl_timed (IPv6 refused) connects over IPv4 at once" { check_refused perl_timed; }
@test "perl_ip (IPv6 refused) connects over IPv4 at once" { check_refused perl_ip; }
@test "bash (IPv6 refused) connects over IPv4 at once" { check_refused bash; }
@test "openssl (IPv6 refused) connects over IPv4 at once" { check_refused openssl; }
@test "python3 (IPv6 refused) connects over IPv4 at once" { check_refused python3; }
@test "telnet (IPv6 refused) connects over IPv4 at once" { check_refused telnet; }
@test "busybox_nc (IPv6 refused) connects over IPv4 at once" { check_refused busybox_nc; }
@test "nc (IPv6 refused) connects over IPv4 at once" { check_refused nc; }
@test "rsync (IPv6 refused) connects over IPv4 at once" { check_refused rsync; }
@test "socat (IPv6 refused) connects over IPv4 at once" { check_refused socat; }
@test "socat_timed (IPv6 refused) connects over IPv4 at once" { check_refused socat_timed; }
@test "php_sync (IPv6 refused) connects over IPv4 at once" { check_refused php_sync; }
@test "php_async (IPv6 refused) connects over IPv4 at once" { check_refused php_async; }
@test "ruby_http (IPv6 refused) connects over IPv4 at once" { check_refused ruby_http; }
@test "ruby_tcp (IPv6 refused) connects over IPv4 at once" { check_refused ruby_tcp; }
@test "psql (IPv6 refused) connects over IPv4 at once" { check_refused psql; }
@test "dual_block (IPv6 refused) connects over IPv4 at once" { check_refused dual_block; }
@test "dual_wait (IPv6 refused) connects over IPv4 at once" { check_refused dual_wait; }

@test "wget (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable wget; }
@test "wget_timed (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable wget_timed; }
@test "ssh (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable ssh; }
@test "ssh_timed (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable ssh_timed; }
@test "git (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable git; }
@test "perl (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable perl; }
@test "perl_timed (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable perl_timed; }
@test "perl_ip (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable perl_ip; }
@test "bash (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable bash; }
@test "openssl (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable openssl; }
@test "python3 (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable python3; }
@test "telnet (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable telnet; }
@test "busybox_nc (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable busybox_nc; }
@test "nc (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nc; }
@test "rsync (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable rsync; }
@test "socat (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable socat; }
@test "socat_timed (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable socat_timed; }
@test "php_sync (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable php_sync; }
@test "php_async (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable php_async; }
@test "ruby_http (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable ruby_http; }
@test "ruby_tcp (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable ruby_tcp; }
@test "psql (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable psql; }
@test "dual_block (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable dual_block; }
@test "dual_wait (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable dual_wait; }

@test "wget (no route to IPv6) connects over IPv4 at once" { check_no_route wget; }
@test "ssh (no route to IPv6) connects over IPv4 at once" { check_no_route ssh; }
@test "git (no route to IPv6) connects over IPv4 at once" { check_no_route git; }
@test "perl (no route to IPv6) connects over IPv4 at once" { check_no_route perl; }
@test "perl_timed (no route to IPv6) connects over IPv4 at once" { check_no_route perl_timed; }
@test "bash (no route to IPv6) connects over IPv4 at once" { check_no_route bash; }
@test "openssl (no route to IPv6) connects over IPv4 at once" { check_no_route openssl; }
@test "python3 (no route to IPv6) connects over IPv4 at once" { check_no_route python3; }
@test "telnet (no route to IPv6) connects over IPv4 at once" { check_no_route telnet; }
@test "busybox_nc (no route to IPv6) connects over IPv4 at once" { check_no_route busybox_nc; }
@test "nc (no route to IPv6) connects over IPv4 at once" { check_no_route nc; }
@test "rsync (no route to IPv6) connects over IPv4 at once" { check_no_route rsync; }

@test "wget (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix wget; }
@test "ssh (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix ssh; }
@test "git (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix git; }
@test "perl (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix perl; }
@test "perl_timed (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix perl_timed; }
@test "bash (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix bash; }
@test "openssl (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix openssl; }
@test "python3 (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix python3; }
@test "telnet (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix telnet; }
@test "busybox_nc (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix busybox_nc; }
@test "nc (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix nc; }
@test "rsync (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix rsync; }
@test "wget_timed (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix wget_timed; }
@test "ssh_timed (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix ssh_timed; }
@test "perl_ip (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix perl_ip; }
@test "php_sync (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix php_sync; }
@test "ruby_tcp (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix ruby_tcp; }
@test "psql (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix psql; }
@test "dual_wait (two dead IPv6, one dead IPv4) connects to the good IPv4 after three attempt delays" { check_mix dual_wait; }

@test "wget (everything dead) fails as natively, after one kernel timeout" { check_all_dead wget; }
@test "ssh (everything dead) fails as natively, after one kernel timeout" { check_all_dead ssh; }
@test "git (everything dead) fails as natively, after one kernel timeout" { check_all_dead git; }
@test "perl (everything dead) fails as natively, after one kernel timeout" { check_all_dead perl; }
@test "perl_timed (everything dead) fails as natively, after one kernel timeout" { check_all_dead perl_timed; }
@test "bash (everything dead) fails as natively, after one kernel timeout" { check_all_dead bash; }
@test "openssl (everything dead) fails as natively, after one kernel timeout" { check_all_dead openssl; }
@test "python3 (everything dead) fails as natively, after one kernel timeout" { check_all_dead python3; }
@test "telnet (everything dead) fails as natively, after one kernel timeout" { check_all_dead telnet; }
@test "busybox_nc (everything dead) fails as natively, after one kernel timeout" { check_all_dead busybox_nc; }
@test "nc (everything dead) fails as natively, after one kernel timeout" { check_all_dead nc; }
@test "rsync (everything dead) fails as natively, after one kernel timeout" { check_all_dead rsync; }
@test "wget_timed (everything dead) fails as natively, after one kernel timeout" { check_all_dead wget_timed; }
@test "ssh_timed (everything dead) fails as natively, after one kernel timeout" { check_all_dead ssh_timed; }
@test "perl_ip (everything dead) fails as natively, after one kernel timeout" { check_all_dead perl_ip; }
@test "php_sync (everything dead) fails as natively, after one kernel timeout" { check_all_dead php_sync; }
@test "ruby_tcp (everything dead) fails as natively, after one kernel timeout" { check_all_dead ruby_tcp; }
@test "psql (everything dead) fails as natively, after one kernel timeout" { check_all_dead psql; }
@test "dual_wait (everything dead) fails as natively, after one kernel timeout" { check_all_dead dual_wait; }

@test "curl (healthy) sends the SYNs that it sends without libhe" { check_as_native curl healthy.test; }
@test "redis_cli (healthy) sends the SYNs that it sends without libhe" { check_as_native redis_cli healthy.test; }
@test "aria2c (healthy) sends the SYNs that it sends without libhe" { check_as_native aria2c healthy.test; }
@test "lftp (healthy) sends the SYNs that it sends without libhe" { check_as_native lftp healthy.test; }

@test "curl (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native curl black6.test; }
@test "redis_cli (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native redis_cli black6.test; }
@test "aria2c (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native aria2c black6.test; }
@test "lftp (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native lftp black6.test; }

@test "curl (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native curl refused6.test; }
@test "redis_cli (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native redis_cli refused6.test; }
@test "aria2c (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native aria2c refused6.test; }
@test "lftp (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native lftp refused6.test; }

@test "curl (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native curl icmp6.test; }
@test "redis_cli (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native redis_cli icmp6.test; }
@test "aria2c (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native aria2c icmp6.test; }
@test "lftp (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native lftp icmp6.test; }
