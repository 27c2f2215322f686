/*
 * edge/resolve: hands what the resolver functions returned to memory/answers.
 * errno is never changed. Safe in: threads, fork. Not in signal handlers, as the functions behind.
 */
#ifndef EDGE_RESOLVE_H
#define EDGE_RESOLVE_H

#include <netdb.h>

/* A successful getaddrinfo(); `node` and `hints` may be NULL, `list` is only read. */
void resolve_record_list(const char *node, const struct addrinfo *hints,
                         const struct addrinfo *list);

/* A successful gethostbyname() or one of its kin; `host` is only read. */
void resolve_record_host(const char *name, int family, const struct hostent *host);

#endif
