/*
 * A libuv program: connect_uv HOST. Resolves in libuv's pool of threads, connects to the first
 * address alone, as programs do, and prints what the server says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static int status = 1;

static void end(uv_tcp_t *tcp, int error)
{
	if (error == UV_EOF)
		status = 0;
	else
		printf("%s\n", uv_strerror(error));
	uv_close((uv_handle_t *)tcp, NULL);
}

static void on_space(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_space)
{
	static char text[1000];

	(void)handle;
	(void)wanted;
	*ret_space = uv_buf_init(text, sizeof(text));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *text)
{
	if (got < 0)
		end((uv_tcp_t *)stream, (int)got);
	else
		fwrite(text->base, 1, (size_t)got, stdout);
}

static void on_connect(uv_connect_t *request, int error)
{
	if (error == 0)
		error = uv_read_start(request->handle, on_space, on_read);
	if (error != 0)
		end((uv_tcp_t *)request->handle, error);
}

static void on_resolved(uv_getaddrinfo_t *request, int error, struct addrinfo *answer)
{
	static uv_tcp_t tcp;
	static uv_connect_t connect_request;

	if (error == 0)
		error = uv_tcp_init(request->loop, &tcp);
	if (error == 0)
		error = uv_tcp_connect(&connect_request, &tcp, answer->ai_addr, on_connect);
	if (error != 0)
		printf("%s\n", uv_strerror(error));
	uv_freeaddrinfo(answer);
}

int main(int argc, char **argv)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	uv_getaddrinfo_t request;

	if (argc != 2 ||
	    uv_getaddrinfo(uv_default_loop(), &request, on_resolved, argv[1], "7777", &hints) != 0)
		return 2;
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	return status;
}
