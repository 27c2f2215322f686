/*
 * For tools/demo, where it may not change what a name means: a preload whose getaddrinfo() knows
 * one name more, with the addresses in $DEMO_ADDRESSES, in that order.
 *
 *     LD_PRELOAD=demo_names.so DEMO_NAME=demo.test DEMO_ADDRESSES="::1 127.0.0.1" program
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int getaddrinfo_fn(const char *, const char *, const struct addrinfo *, struct addrinfo **);

/* Lists of glibc can be joined: its freeaddrinfo() frees them node by node. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints,
                                                       struct addrinfo **ret)
{
	getaddrinfo_fn *next = (getaddrinfo_fn *)dlsym(RTLD_NEXT, "getaddrinfo");
	const char *name = getenv("DEMO_NAME"), *addresses = getenv("DEMO_ADDRESSES");
	struct addrinfo **end = ret;
	int used, status = EAI_NONAME;
	char address[64];

	if (node == NULL || name == NULL || addresses == NULL || strcmp(node, name) != 0)
		return next(node, service, hints, ret);
	*ret = NULL;
	for (; sscanf(addresses, "%63s%n", address, &used) == 1; addresses += used) {
		int r = next(address, service, hints, end);

		/* A family that the caller does not want, say. */
		if (r != 0 && *ret == NULL)
			status = r;
		while (r == 0 && *end != NULL)
			end = &(*end)->ai_next;
	}
	return *ret != NULL ? 0 : status;
}
