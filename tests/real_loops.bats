#!/usr/bin/env bats
# Event loops under libhe, in the lab: node, Boost.Asio, libevent, libuv, nginx.
# The table of the programs is in tests/programs/real_programs.bash, the checks are in real_checks.bash
# beside it.

bats_require_minimum_version 1.5.0
load programs/real_checks

setup_file() { real_setup_file http greeting; }

# bats finds only what is spelled out.

@test "node_one (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy node_one; }
@test "node_300 (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy node_300; }
@test "asio_first (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy asio_first; }
@test "asio_range (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy asio_range; }
@test "libevent (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy libevent; }
@test "libuv (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy libuv; }
@test "node_uring (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy node_uring; }

@test "nginx (healthy) lets the addresses take turns as it does without libhe" { check_healthy nginx; }
@test "nginx_2 (healthy) lets the addresses take turns as it does without libhe" { check_healthy nginx_2; }

@test "node_one (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed node_one; }
@test "node_300 (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed node_300; }
@test "asio_first (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed asio_first; }
@test "asio_range (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed asio_range; }
@test "libevent (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed libevent; }
@test "libuv (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed libuv; }

@test "nginx (IPv6 blackholed) gets all answers over IPv4" { check_blackholed nginx; }
@test "nginx_2 (IPv6 blackholed) gets all answers over IPv4" { check_blackholed nginx_2; }

@test "node_one (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting node_one; }
@test "node_300 (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting node_300; }
@test "asio_first (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting asio_first; }
@test "asio_range (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting asio_range; }
@test "libevent (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting libevent; }
@test "libuv (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting libuv; }
@test "nginx (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nginx; }
@test "nginx_2 (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting nginx_2; }

@test "node_one (IPv6 refused, without libhe) fails" { check_natively_refused node_one; }
@test "node_300 (IPv6 refused, without libhe) fails" { check_natively_refused node_300; }
@test "asio_first (IPv6 refused, without libhe) fails" { check_natively_refused asio_first; }
@test "libevent (IPv6 refused, without libhe) fails" { check_natively_refused libevent; }
@test "libuv (IPv6 refused, without libhe) fails" { check_natively_refused libuv; }

@test "node_one (IPv6 refused) connects over IPv4 at once" { check_refused node_one; }
@test "node_300 (IPv6 refused) connects over IPv4 at once" { check_refused node_300; }
@test "asio_first (IPv6 refused) connects over IPv4 at once" { check_refused asio_first; }
@test "asio_range (IPv6 refused) connects over IPv4 at once" { check_refused asio_range; }
@test "libevent (IPv6 refused) connects over IPv4 at once" { check_refused libevent; }
@test "libuv (IPv6 refused) connects over IPv4 at once" { check_refused libuv; }
@test "nginx (IPv6 refused) connects over IPv4 at once" { check_refused nginx; }
@test "nginx_2 (IPv6 refused) connects over IPv4 at once" { check_refused nginx_2; }

@test "node_one (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable node_one; }
@test "node_300 (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable node_300; }
@test "asio_first (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable asio_first; }
@test "asio_range (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable asio_range; }
@test "libevent (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable libevent; }
@test "libuv (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable libuv; }
@test "nginx (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nginx; }
@test "nginx_2 (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable nginx_2; }

@test "node_http (healthy) sends the SYNs that it sends without libhe" { check_as_native node_http healthy.test; }
@test "node_fetch (healthy) sends the SYNs that it sends without libhe" { check_as_native node_fetch healthy.test; }

@test "node_http (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native node_http black6.test; }
@test "node_fetch (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native node_fetch black6.test; }

@test "node_http (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native node_http refused6.test; }
@test "node_fetch (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native node_fetch refused6.test; }

@test "node_http (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native node_http icmp6.test; }
@test "node_fetch (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native node_fetch icmp6.test; }

@test "node_uring (IPv6 blackholed) works, or is as it is without libhe" { check_hidden node_uring black6.test "$LAB_DEAD6"; }

@test "node_uring (IPv6 refused) works, or is as it is without libhe" { check_hidden node_uring refused6.test "$LAB_RST6"; }

@test "node_uring (IPv6 ICMP-unreachable) works, or is as it is without libhe" { check_hidden node_uring icmp6.test "$LAB_ICMP6"; }
