#!/usr/bin/env bats
# Java programs under libhe, in the lab.
# The table of the programs is in tests/programs/real_programs.bash, the checks are in real_checks.bash
# beside it.

bats_require_minimum_version 1.5.0
load programs/real_checks

setup_file() { real_setup_file http greeting; }

# bats finds only what is spelled out.

@test "java_socket (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy java_socket; }
@test "java_client (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy java_client; }
@test "java_url (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy java_url; }
@test "nio_before (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy nio_before; }
@test "nio_after (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy nio_after; }
@test "nio_200 (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy nio_200; }
@test "netty (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy netty; }

@test "java_socket (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed java_socket; }
@test "java_client (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed java_client; }
@test "java_url (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed java_url; }
@test "nio_before (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed nio_before; }
@test "nio_after (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed nio_after; }
@test "nio_200 (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed nio_200; }
@test "netty (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed netty; }

@test "java_socket (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting java_socket; }
@test "java_client (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting java_client; }
@test "java_url (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting java_url; }
@test "nio_before (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nio_before; }
@test "nio_after (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nio_after; }
@test "nio_200 (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nio_200; }
@test "netty (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting netty; }

@test "java_socket (IPv6 refused, without libhe) fails" { check_natively_refused java_socket; }
@test "java_client (IPv6 refused, without libhe) fails" { check_natively_refused java_client; }
@test "java_url (IPv6 refused, without libhe) fails" { check_natively_refused java_url; }
@test "nio_before (IPv6 refused, without libhe) fails" { check_natively_refused nio_before; }
@test "nio_after (IPv6 refused, without libhe) fails" { check_natively_refused nio_after; }
@test "nio_200 (IPv6 refused, without libhe) fails" { check_natively_refused nio_200; }
@test "netty (IPv6 refused, without libhe) fails" { check_natively_refused netty; }

@test "java_socket (IPv6 refused) connects over IPv4 at once" { check_refused java_socket; }
@test "java_client (IPv6 refused) connects over IPv4 at once" { check_refused java_client; }
@test "java_url (IPv6 refused) connects over IPv4 at once" { check_refused java_url; }
@test "nio_before (IPv6 refused) connects over IPv4 at once" { check_refused nio_before; }
@test "nio_after (IPv6 refused) connects over IPv4 at once" { check_refused nio_after; }
@test "nio_200 (IPv6 refused) connects over IPv4 at once" { check_refused nio_200; }
@test "netty (IPv6 refused) connects over IPv4 at once" { check_refused netty; }

@test "java_socket (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable java_socket; }
@test "java_client (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable java_client; }
@test "java_url (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable java_url; }
@test "nio_before (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nio_before; }
@test "nio_after (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nio_after; }
@test "nio_200 (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nio_200; }
@test "netty (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable netty; }
