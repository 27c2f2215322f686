/*
 * A libevent program: connect_event HOST. Resolves through libevent, which connects to the first
 * address alone, and prints what the server says.
 */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int status = 1;

static void on_read(struct bufferevent *connection, void *loop)
{
	char text[1000];
	size_t got = bufferevent_read(connection, text, sizeof(text));

	(void)loop;
	fwrite(text, 1, got, stdout);
}

static void on_event(struct bufferevent *connection, short events, void *loop)
{
	if (events & BEV_EVENT_CONNECTED)
		return;
	if (events & BEV_EVENT_EOF)
		status = 0;
	else
		printf("%s\n", evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	bufferevent_free(connection);
	event_base_loopexit(loop, NULL);
}

int main(int argc, char **argv)
{
	struct event_base *loop = event_base_new();
	struct bufferevent *connection = bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE);

	if (argc != 2 || loop == NULL || connection == NULL)
		return 2;
	bufferevent_setcb(connection, on_read, NULL, on_event, loop);
	bufferevent_enable(connection, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect_hostname(connection, NULL, AF_UNSPEC, argv[1], 7777) != 0)
		return 2;
	event_base_dispatch(loop);
	event_base_free(loop);
	return status;
}
