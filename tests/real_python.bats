#!/usr/bin/env bats
# Python programs under libhe, in the lab: timeouts, asyncio on every selector, TLS.
# The table of the programs is in tests/programs/real_programs.bash, the checks are in real_checks.bash
# beside it.

bats_require_minimum_version 1.5.0
load programs/real_checks

setup_file() { real_setup_file http tls greeting; }

# bats finds only what is spelled out.

@test "py_create (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy py_create; }
@test "py_urllib (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy py_urllib; }
@test "py_ssl (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy py_ssl; }
@test "aio_epoll (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aio_epoll; }
@test "aio_poll (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aio_poll; }
@test "aio_select (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aio_select; }
@test "aio_200 (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aio_200; }
@test "aio_200poll (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aio_200poll; }
@test "aio_ssl (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aio_ssl; }
@test "aiohttp (healthy) connects over IPv6 and sends nothing to IPv4" { check_healthy aiohttp; }

@test "py_create (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed py_create; }
@test "py_urllib (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed py_urllib; }
@test "py_ssl (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed py_ssl; }
@test "aio_epoll (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aio_epoll; }
@test "aio_poll (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aio_poll; }
@test "aio_select (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aio_select; }
@test "aio_200 (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aio_200; }
@test "aio_200poll (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aio_200poll; }
@test "aio_ssl (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aio_ssl; }
@test "aiohttp (IPv6 blackholed) connects over IPv4 after one attempt delay" { check_blackholed aiohttp; }

@test "py_create (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting py_create; }
@test "py_urllib (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting py_urllib; }
@test "py_ssl (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting py_ssl; }
@test "aio_epoll (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aio_epoll; }
@test "aio_poll (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aio_poll; }
@test "aio_select (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aio_select; }
@test "aio_200 (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aio_200; }
@test "aio_200poll (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aio_200poll; }
@test "aio_ssl (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aio_ssl; }
@test "aiohttp (IPv6 blackholed, without libhe) is still waiting after 1.5 s" { check_natively_waiting aiohttp; }

@test "py_create (IPv6 refused) connects over IPv4 at once" { check_refused py_create; }
@test "py_urllib (IPv6 refused) connects over IPv4 at once" { check_refused py_urllib; }
@test "py_ssl (IPv6 refused) connects over IPv4 at once" { check_refused py_ssl; }
@test "aio_epoll (IPv6 refused) connects over IPv4 at once" { check_refused aio_epoll; }
@test "aio_poll (IPv6 refused) connects over IPv4 at once" { check_refused aio_poll; }
@test "aio_select (IPv6 refused) connects over IPv4 at once" { check_refused aio_select; }
@test "aio_200 (IPv6 refused) connects over IPv4 at once" { check_refused aio_200; }
@test "aio_200poll (IPv6 refused) connects over IPv4 at once" { check_refused aio_200poll; }
@test "aio_ssl (IPv6 refused) connects over IPv4 at once" { check_refused aio_ssl; }
@test "aiohttp (IPv6 refused) connects over IPv4 at once" { check_refused aiohttp; }

@test "py_create (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable py_create; }
@test "py_urllib (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable py_urllib; }
@test "py_ssl (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable py_ssl; }
@test "aio_epoll (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aio_epoll; }
@test "aio_poll (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aio_poll; }
@test "aio_select (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aio_select; }
@test "aio_200 (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aio_200; }
@test "aio_200poll (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aio_200poll; }
@test "aio_ssl (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aio_ssl; }
@test "aiohttp (IPv6 ICMP-unreachable) connects over IPv4 at once" { check_unreachable aiohttp; }

@test "aio_own (healthy) sends the SYNs that it sends without libhe" { check_as_native aio_own healthy.test; }

@test "aio_own (IPv6 blackholed) sends the SYNs that it sends without libhe" { check_as_native aio_own black6.test; }

@test "aio_own (IPv6 refused) sends the SYNs that it sends without libhe" { check_as_native aio_own refused6.test; }

@test "aio_own (IPv6 ICMP-unreachable) sends the SYNs that it sends without libhe" { check_as_native aio_own icmp6.test; }
