"""Ways to connect of Python programs: connect.py WAY HOST [COUNT]. Prints what the server said."""
import asyncio
import collections
import selectors
import socket
import ssl
import sys
import urllib.request

GREETING, HTTP, TLS = 7777, 80, 443


def tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_all(connection):
    text = b""
    while part := connection.recv(1000):
        text += part
    return text.decode().strip()


def create_connection(host):
    with socket.create_connection((host, GREETING), timeout=15) as connection:
        return read_all(connection)


def urllib_timeout(host):
    return urllib.request.urlopen(f"http://{host}/", timeout=15).read().decode().strip()


def ssl_timeout(host):
    with socket.create_connection((host, TLS), timeout=15) as connection:
        with tls().wrap_socket(connection) as secured:
            secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return secured.version() + " " + read_all(secured).splitlines()[0]


async def greeting(host, **options):
    reader, writer = await asyncio.open_connection(host, GREETING, **options)
    text = await reader.read()
    writer.close()
    return text.decode().strip()


async def greetings(host, count):
    return await asyncio.gather(*(greeting(host) for _ in range(count)))


async def ssl_greeting(host):
    reader, writer = await asyncio.open_connection(host, TLS, ssl=tls())
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    version = writer.get_extra_info("ssl_object").version()
    first = await reader.readline()
    # The server does not wait for the end of TLS.
    writer.transport.abort()
    return version + " " + first.decode().strip()


async def aiohttp_get(host):
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(f"http://{host}/") as response:
        return (await response.text()).strip()


def run(coroutine, selector=selectors.EpollSelector):
    loop = asyncio.SelectorEventLoop(selector())
    asyncio.set_event_loop(loop)
    return loop.run_until_complete(coroutine)


def main(way, host, count=200):
    text = {
        "create_connection": lambda: create_connection(host),
        "urllib": lambda: urllib_timeout(host),
        "ssl": lambda: ssl_timeout(host),
        "asyncio_epoll": lambda: run(greeting(host)),
        "asyncio_poll": lambda: run(greeting(host), selectors.PollSelector),
        "asyncio_select": lambda: run(greeting(host), selectors.SelectSelector),
        "asyncio_many": lambda: run(greetings(host, int(count))),
        "asyncio_many_poll": lambda: run(greetings(host, int(count)), selectors.PollSelector),
        "asyncio_own_race": lambda: run(greeting(host, happy_eyeballs_delay=0.2)),
        "asyncio_ssl": lambda: run(ssl_greeting(host)),
        "aiohttp": lambda: run(aiohttp_get(host)),
    }[way]()
    texts = text if isinstance(text, list) else [text]
    for said, times in collections.Counter(texts).items():
        print(f"{times} x {said}")


main(*sys.argv[1:])
