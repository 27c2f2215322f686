/*
 * libhe: a Happy Eyeballs (RFC 8305) connection race for programs that were never written for it,
 * and for those that are.
 *
 * A program needs nothing of this header to be helped by libhe.so: `LD_PRELOAD=libhe.so program` or
 * `he run program` is all, and the settings below are all there is to say about it.
 *
 * A C or C++ program that wants the race by its own word links libheconnect (pkg-config
 * libheconnect), which has the functions below and no hooks:
 *
 *     he_connect()     races the addresses of a getaddrinfo() list, and blocks meanwhile
 *     he_begin() ...   the same for event loops: one descriptor to poll
 *     he_list_...()    address lists: make, shorten, copy
 *     he_connector     host and port to socket: resolves, remembers answers and failures
 *
 * Functions return -1, or NULL, and set errno on failure; errno is unspecified after a success.
 * Times are in milliseconds or nanoseconds of CLOCK_MONOTONIC, as their names say.
 *
 * Unless its own text says otherwise, a function is
 *   safe in threads:          yes; one object in one thread at a time
 *   safe in signal handlers:  no, it allocates memory
 *   safe after fork():        yes in the parent; a child may only end or free what it inherited
 *   a cancellation point:     no
 */
#ifndef HE_H
#define HE_H

#include <netdb.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The libraries are built with hidden names; those below are the ones that they show. */
#pragma GCC visibility push(default)

#define HE_VERSION "0.1.0"

/*
 * Settings: environment variables, read once per process, at its first name resolution, and ignored
 * in programs that run with raised privileges (AT_SECURE). README.md has the table of meanings.
 */
#define HE_ENV_DISABLE "HE_DISABLE"
#define HE_ENV_ATTEMPT_DELAY_MS "HE_ATTEMPT_DELAY_MS"
#define HE_ENV_RESOLUTION_DELAY_MS "HE_RESOLUTION_DELAY_MS"
#define HE_ENV_FIRST_FAMILY_COUNT "HE_FIRST_FAMILY_COUNT"
#define HE_ENV_MAX_IN_FLIGHT "HE_MAX_IN_FLIGHT"
#define HE_ENV_CONNECT_TIMEOUT_MS "HE_CONNECT_TIMEOUT_MS"
#define HE_ENV_ONLY "HE_ONLY"
#define HE_ENV_SKIP "HE_SKIP"
#define HE_ENV_LOG "HE_LOG"
#define HE_ENV_LOG_FILE "HE_LOG_FILE"

/*
 * The version of the libhe.so that is loaded into this process, as "0.1.0": the one symbol that
 * libhe.so exports beside the functions it stands in for. Not for linking against: look it up with
 * dlsym(RTLD_DEFAULT, "libhe_version"); NULL means that the library is not loaded.
 */
extern const char libhe_version[];

/* --- addresses -------------------------------------------------------------------------------- */

/*
 * Lists are struct addrinfo lists as of getaddrinfo(3), and are never modified here. Those that the
 * functions of this section return are the caller's, to be freed by he_list_free(); those of
 * getaddrinfo() are freed by freeaddrinfo(), and neither frees the other's. They are whole copies:
 * the list that was given may go before them. NULL is the empty list.
 */

/*
 * A list of one: `sa`, of family AF_INET or AF_INET6, for a TCP socket. `len` may be larger than
 * the family needs. A v4-mapped IPv6 address stays one, without the scope, which it cannot have.
 * NULL for a NULL `sa`, with errno 0. Fails with EAFNOSUPPORT (another family), EINVAL (`len` too
 * short for it), ENOMEM.
 */
struct addrinfo *he_list_from_sockaddr(const struct sockaddr *sa, socklen_t len);

/*
 * A list of one, from a numeric address and a port: "192.0.2.1", "2001:db8::1", "fe80::1%eth0" or
 * "fe80::1%3". NULL for a NULL `host`, with errno 0.
 *
 * IPv4 is four decimal numbers without leading zeros. A zone (RFC 4007) is the name or else the
 * decimal index of an interface, and stands behind a link-local address (fe80::/10), or a multicast
 * address of interface-local or link-local scope, only: nowhere else does the kernel look at it.
 * "%0" is the same as no zone; the kernel connects to none of these addresses without one.
 *
 * Fails with EINVAL (not numeric, names need getaddrinfo(); or a zone that is empty or behind
 * another address), ENODEV (the zone is no interface of this machine; "eth0:1" is none either),
 * ENOMEM, or as if_nametoindex(3) (there was no socket to ask for the zone: ENOENT in glibc 2.36).
 */
struct addrinfo *he_list_from_text(const char *host, uint16_t port);

/*
 * `list` without the first `count` entries of each ai_family, as is wanted for another try after
 * those led to nothing. 0: all of them stay. Returns 0 and the new list, which may be empty, in
 * ret_list; or -1 with EINVAL (negative), ENOMEM, and writes nothing.
 */
int he_list_pop(const struct addrinfo *list, int count, struct addrinfo **ret_list);

/*
 * `list` without the entries for `sa`, which is a whole socket address, as getpeername() gives it:
 * family, address, port, flow information and scope must be equal; the scope of a v4-mapped address
 * does not count. When none is, a v4-mapped IPv6 address and its IPv4 address count as equal.
 * Entries of other families, or without a whole address, stay. Returns 0 and the new list, which
 * may be empty, in ret_list; or -1 with ENOENT (`sa` is not in the list), EAFNOSUPPORT, EINVAL
 * (`sa` is NULL, or `len` too short), ENOMEM, and writes nothing.
 */
int he_list_remove(const struct addrinfo *list, const struct sockaddr *sa, socklen_t len,
                   struct addrinfo **ret_list);

/* Frees a list of this section; nothing for NULL. errno stays. */
void he_list_free(struct addrinfo *list);

/* --- options ---------------------------------------------------------------------------------- */

/* RFC 8305 section 5: the recommended Connection Attempt Delay, and the least it may be. */
#define HE_ATTEMPT_DELAY_MS 250
#define HE_ATTEMPT_DELAY_MIN_MS 10

/*
 * For attempt_delay_ms: no race. Each address is tried when the one before has failed. (So it is in
 * aiohappyeyeballs, for None and for 0; CPython's asyncio takes 0 for "all at once", which RFC 8305
 * forbids.)
 */
#define HE_SEQUENTIAL 0

/* For first_family_count: 1 in a race, 0 with HE_SEQUENTIAL. */
#define HE_FIRST_FAMILY_COUNT_AUTO (-1)

/* Flags. */
#define HE_NONBLOCK 1u /* the socket comes back with O_NONBLOCK, as it was in the race */
#define HE_BIND_LOCAL                                                                              \
	2u /* sockets must be bound, even if `local` is NULL: then every attempt fails */

/*
 * Makes the socket for an attempt on `addr`, an entry of the caller's list: to set what must be set
 * before the handshake. Called once for each attempt that is started, just before it connects,
 * in the thread that runs the race; it must not block, nor call functions on the race.
 *
 * Returns a new TCP or MPTCP socket of addr->ai_family, neither connected nor listening, which
 * belongs to the library from then on: it is made close-on-exec and non-blocking, bound if `local`
 * says so, and closed unless it wins. Or -errno: this attempt has failed, the next one starts. Or
 * HE_ABORT: the race ends, with ECANCELED. On both the callback closes what it made.
 */
typedef int he_socket_fn(const struct addrinfo *addr, void *data);
#define HE_ABORT (-2147483647 - 1)

/*
 * What to do differently. `struct he_options options = HE_OPTIONS_INIT;`, then change members. A
 * NULL pointer to it stands for HE_OPTIONS_INIT. It is read in the call, lists and all but `socket`
 * and `socket_data` and the descriptor `cancel_fd` may go afterwards.
 */
struct he_options {
	size_t size; /* of the struct that the program was compiled with; set by HE_OPTIONS_INIT */
	/* Connection Attempt Delay: HE_SEQUENTIAL, or at least HE_ATTEMPT_DELAY_MIN_MS. */
	int attempt_delay_ms;
	/*
	 * First Address Family Count (RFC 8305 section 4): so many addresses of the family that
	 * stands first in the list are tried before the families take turns. 0: the order of the
	 * list.
	 */
	int first_family_count;
	int timeout_ms;    /* of the whole race; 0: none, the kernel gives up by itself */
	int max_in_flight; /* attempts at the same time; 0: no limit */
	/*
	 * The race ends with ECANCELED as soon as this descriptor (an eventfd, say) is readable.
	 * -1: none. It stays the caller's, is not read, and may serve any number of races.
	 */
	int cancel_fd;
	unsigned flags; /* HE_NONBLOCK, HE_BIND_LOCAL */
	/*
	 * Local addresses: each socket is bound to the first one of its family that works. An
	 * attempt without one fails. NULL: sockets are not bound (but see HE_BIND_LOCAL).
	 */
	const struct addrinfo *local;
	he_socket_fn *socket; /* NULL: socket(2) as the entry of the list says */
	void *socket_data;    /* for `socket` */
};

#define HE_OPTIONS_INIT                                                                            \
	{                                                                                          \
		sizeof(struct he_options), HE_ATTEMPT_DELAY_MS, HE_FIRST_FAMILY_COUNT_AUTO, 0, 0,  \
		    -1, 0, NULL, NULL, NULL                                                        \
	}

/* --- what happened ---------------------------------------------------------------------------- */

/* Why a race or an attempt ended as it did; beside errno, which is in parentheses. */
enum he_cause {
	HE_CAUSE_NONE, /* it connected */

	/* Of a race. */
	HE_CAUSE_ATTEMPTS,  /* every attempt failed (see he_connect()) */
	HE_CAUSE_TIMEOUT,   /* timeout_ms has passed (ETIMEDOUT) */
	HE_CAUSE_CANCELLED, /* by cancel_fd, he_cancel() or he_finish() (ECANCELED) */
	HE_CAUSE_ABORTED,   /* the socket callback returned HE_ABORT (ECANCELED) */
	/* No descriptor to poll could be made (EMFILE and the like). Of an attempt, too, that could
	   not be watched with it (as of epoll_ctl(2)). */
	HE_CAUSE_POLLING,
	HE_CAUSE_RESOLVING, /* he_connector: the name could not be resolved (see he_report_gai()) */

	/* Bad input: nothing was tried. */
	HE_CAUSE_NO_ADDRESS,    /* the list is empty (EINVAL) */
	HE_CAUSE_FAMILY,        /* an entry is neither AF_INET nor AF_INET6 (EAFNOSUPPORT) */
	HE_CAUSE_PROTOCOL,      /* an entry is not for TCP (EPROTONOSUPPORT) */
	HE_CAUSE_SHORT_ADDRESS, /* an address is shorter than its family needs (EINVAL) */
	HE_CAUSE_OPTIONS_SIZE, /* options.size is 0, or sets what this library does not know (E2BIG)
	                        */
	HE_CAUSE_ATTEMPT_DELAY, /* attempt_delay_ms is out of range (EINVAL) */
	HE_CAUSE_FAMILY_COUNT,  /* first_family_count is out of range (EINVAL) */
	HE_CAUSE_TIMEOUT_RANGE, /* timeout_ms is negative (EINVAL) */
	HE_CAUSE_MAX_IN_FLIGHT, /* max_in_flight is negative (EINVAL) */
	HE_CAUSE_FLAGS,         /* flags has an unknown bit (EINVAL) */
	HE_CAUSE_CANCEL_FD,     /* cancel_fd cannot be polled (as of epoll_ctl(2): EBADF, EPERM) */

	/* Of an attempt. */
	HE_CAUSE_CONNECT,         /* the network or the kernel said so (as of connect(2)) */
	HE_CAUSE_SOCKET,          /* no socket (as of socket(2)) */
	HE_CAUSE_NO_LOCAL,        /* no local address is of its family (EADDRNOTAVAIL) */
	HE_CAUSE_BIND,            /* no bind worked (as of bind(2), for the last one) */
	HE_CAUSE_CALLBACK,        /* the socket callback returned -errno (that one) */
	HE_CAUSE_CALLBACK_SAME,   /* ... the descriptor of another attempt (EEXIST) */
	HE_CAUSE_CALLBACK_IN_USE, /* ... a socket that is connected, connecting or listening
	                             (EISCONN) */
	/* ... no TCP socket of that family (ENOTSOCK, EPROTOTYPE, EBADF), one whose connect() would
	   not wait for the peer (EOPNOTSUPP: TCP_FASTOPEN_CONNECT, TCP_REPAIR), or one that does
	   not become non-blocking (as of fcntl(2)) */
	HE_CAUSE_CALLBACK_UNUSABLE
};

/* A sentence for it, with the remedy where there is one. Static; never NULL. Safe anywhere. */
const char *he_cause_text(enum he_cause cause);

enum he_outcome {
	HE_OUTCOME_CONNECTED, /* the winner */
	HE_OUTCOME_FAILED,
	HE_OUTCOME_LOST,    /* closed because another one connected */
	HE_OUTCOME_GIVEN_UP /* closed because the race ended without a winner */
};

/* One attempt. Made by the library only, which may add members at the end. */
struct he_attempt {
	const struct addrinfo *addr;    /* the caller's entry; valid as long as that is */
	struct sockaddr_storage remote; /* a copy of its address */
	struct sockaddr_storage local;  /* of its socket; ss_family is 0 if it never had one */
	enum he_outcome outcome;
	enum he_cause cause; /* of HE_OUTCOME_FAILED */
	int error;           /* errno value of HE_OUTCOME_FAILED; 0 else */
	int64_t started_ns;  /* since the race began */
	int64_t ended_ns;    /* likewise */
};

/* A local address that an attempt could not be bound to; a later one may have worked. */
struct he_bind_failure {
	struct sockaddr_storage local;
	int error; /* errno value */
};

/* What a race did, with every attempt in the order of their starts. */
struct he_report;

enum he_cause he_report_cause(const struct he_report *report);
int he_report_error(const struct he_report *report); /* errno value; 0 if it connected */
int he_report_gai(const struct he_report *report);   /* EAI_... of HE_CAUSE_RESOLVING; or 0 */

/* The winner's entry in the caller's list; NULL: none. Valid as long as the list is. */
const struct addrinfo *he_report_winner(const struct he_report *report);

/* How many attempts were started. */
size_t he_report_count(const struct he_report *report);
/* Attempt `i` in the order of their starts; NULL if there is none. Valid as long as the report. */
const struct he_attempt *he_report_attempt(const struct he_report *report, size_t i);
/* Failed bind `k` of attempt `i`, in the order of `local`; NULL if there is none. */
const struct he_bind_failure *he_report_bind_failure(const struct he_report *report, size_t i,
                                                     size_t k);

/*
 * Writes the report as one line of text without a newline, with every attempt and its error, and
 * returns its length, as snprintf(3): what does not fit into `size` bytes is cut off, and the text
 * is terminated unless `size` is 0.
 */
size_t he_report_text(const struct he_report *report, char *ret_text, size_t size);

/* Frees it; nothing for NULL. errno stays. */
void he_report_free(struct he_report *report);

/* --- the race --------------------------------------------------------------------------------- */

/*
 * Races the addresses of `list` (RFC 8305 section 5) until one connects; options NULL: the default.
 * Blocks meanwhile; a signal handler does not end it (let it write to options->cancel_fd).
 *
 * Returns a connected socket, which is the caller's: close-on-exec, and blocking unless
 * HE_NONBLOCK. All other sockets are closed then. Or -1 and errno:
 *   - of the first attempt, in the order of their starts, that was tried, when all attempts failed:
 *     one that had no socket or local address names the error only if no other one does
 *   - ETIMEDOUT: timeout_ms has passed; ECANCELED: cancelled
 *   - ENOMEM, or as enum he_cause lists it for bad input
 *
 * ret_report, unless NULL, receives a report on both success and failure, to be freed by
 * he_report_free(); NULL when there is no memory for one.
 *
 * A cancellation point: a thread that is cancelled in it leaves nothing open.
 */
int he_connect(const struct addrinfo *list, const struct he_options *options,
               struct he_report **ret_report);

/*
 * The same for event loops. A race is begun, and has one descriptor, which is readable exactly when
 * there is something to do, timers included; then he_advance() does it, and never blocks:
 *
 *     race = he_begin(list, options);
 *     while (he_advance(race) == 0)
 *         wait until he_descriptor(race) is readable
 *     fd = he_finish(race, &report);
 *
 * `list` has to last until he_finish(). After fork() the race is the parent's: in a child all that
 * is left to do is he_finish(), which fails, with ECANCELED unless the race had failed before, and
 * takes nothing from the parent.
 */
struct he_race;

/*
 * Begins a race and starts its first attempt. Returns NULL only with ENOMEM: whatever else is wrong
 * ends the race at once, and is told by he_finish(), which must be called in any case.
 */
struct he_race *he_begin(const struct addrinfo *list, const struct he_options *options);

/*
 * The descriptor to poll for reading, the same until he_finish(), which closes it; remove it from
 * the event loop before. -1: the race ended before there was one (he_advance() returns 1).
 */
int he_descriptor(const struct he_race *race);

/* Does what is due. Returns 0 while the race runs, 1 when it is over. May be called at any time. */
int he_advance(struct he_race *race);

/* Ends the race, unless it has failed: with ECANCELED; a connection that nobody took is closed. */
void he_cancel(struct he_race *race);

/*
 * Ends the race, cancelling it if it is not over, and frees it. Returns and reports as
 * he_connect(); -1 with EINVAL for NULL.
 */
int he_finish(struct he_race *race, struct he_report **ret_report);

/* --- the connector ---------------------------------------------------------------------------- */

/*
 * Host and port to socket, for programs that connect often: resolves, remembers answers and failed
 * addresses, races. One connector serves any number of threads at the same time.
 */
struct he_connector;

/*
 * As struct he_options: `struct he_connector_options options = HE_CONNECTOR_OPTIONS_INIT;`.
 * getaddrinfo() does not tell how long the DNS lets an answer be used: answer_ms is all there is.
 */
struct he_connector_options {
	size_t size;
	int answer_ms;   /* how long the answer for a name is used again; 0: not at all */
	int failure_ms;  /* how long a failed address is tried after all others; 0: not at all */
	int answers_max; /* names remembered, the oldest goes first; at least 1 */
	int family;      /* AF_UNSPEC, AF_INET or AF_INET6 */
};

#define HE_CONNECTOR_OPTIONS_INIT                                                                  \
	{                                                                                          \
		sizeof(struct he_connector_options), 10000, 60000, 1024, AF_UNSPEC                 \
	}

/*
 * Makes a connector; `options` NULL: the default. Returns NULL with EINVAL (an option is out of
 * range), E2BIG (options->size is 0, or sets what this library does not know), ENOMEM.
 */
struct he_connector *he_connector_new(const struct he_connector_options *options);

/*
 * Connects to `port` of `host`, a name or a numeric address, as he_connect() does with the
 * addresses that getaddrinfo(3) gives for it. Names are looked up in a thread of their own, so that
 * options->timeout_ms holds for the whole call, and options->cancel_fd ends that, too; a lookup
 * that nobody waits for any more runs on, and its answer is kept. Threads that want the same name
 * at the same time share a lookup. (Where no thread can be made, the caller's looks the name up,
 * and neither ends that.)
 *
 * Addresses that failed lately, or did not answer while one that was tried later connected, or
 * used the time up without an answer, are tried after all others, for failure_ms or until they
 * connect. Returns and reports as he_connect(), with times since the race began, but entries of the
 * list are not told (NULL in the report). Fails also with EINVAL (`host` NULL or empty, `port` 0:
 * HE_CAUSE_NO_ADDRESS) and, where the name cannot be resolved, with ENOENT (there is no such name,
 * or it has no address), EAGAIN (try later), ENOMEM, EIO (anything else; he_report_gai() tells).
 *
 * A cancellation point, as he_connect().
 */
int he_connector_connect(struct he_connector *connector, const char *host, uint16_t port,
                         const struct he_options *options, struct he_report **ret_report);

/* Forgets all answers; what is being looked up is not kept either. */
void he_connector_clear_answers(struct he_connector *connector);

/* Forgets all failed addresses. */
void he_connector_clear_failures(struct he_connector *connector);

/*
 * Frees it; nothing for NULL. No thread may be in a call on it; lookups that run on do not need it.
 * In a child after fork(), what lookups and other threads of the parent held stays allocated.
 * errno stays.
 */
void he_connector_free(struct he_connector *connector);

/* The version of libheconnect that runs, as HE_VERSION was when it was built. Safe anywhere. */
const char *he_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
