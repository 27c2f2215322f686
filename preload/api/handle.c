/*
 * The race of he.h as the caller sees it: the handle, and the call that blocks.
 */
#include "api/drive.h"
#include "base/libc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

/*
 * connect(), close() and others are cancellation points, and the caller's callback may hold some:
 * a thread that were cancelled in there would leave a socket that nobody knows.
 */
static int calm(void)
{
	int state;

	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	return state;
}

static void uncalm(int state)
{
	(void)pthread_setcancelstate(state, NULL);
}

struct he_race *he_begin(const struct addrinfo *list, const struct he_options *options)
{
	int state = calm();
	struct he_race *race = drive_begin(list, options);

	uncalm(state);
	return race;
}

int he_descriptor(const struct he_race *race)
{
	return race->pollable.set;
}

int he_advance(struct he_race *race)
{
	int state = calm();

	drive_advance(race);
	uncalm(state);
	return race->over;
}

void he_cancel(struct he_race *race)
{
	int state = calm();

	drive_end(race, HE_CAUSE_CANCELLED, ECANCELED);
	uncalm(state);
}

/* The race was non-blocking, what the caller wanted is set now. Returns 0 or an errno value. */
static int set_mode(int fd, const struct he_options *options)
{
	int flags;

	if ((options->flags & HE_NONBLOCK) != 0)
		return 0;
	flags = libc_fcntl(fd, F_GETFL, 0);
	return flags < 0 || libc_fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0 ? errno : 0;
}

static int finish(struct he_race *race, struct he_report **ret_report)
{
	int fd, error;

	if (!race->over || drive_is_inherited(race))
		drive_end(race, HE_CAUSE_CANCELLED, ECANCELED);
	if (race->winner_fd >= 0) {
		error = set_mode(race->winner_fd, &race->plan.options);
		if (error != 0)
			drive_end(race, HE_CAUSE_SOCKET, error);
	}
	fd = race->winner_fd;
	error = race->report->error;
	if (ret_report != NULL) {
		*ret_report = race->report;
		race->report = NULL;
	}
	drive_free(race);
	if (fd < 0)
		errno = error;
	return fd;
}

int he_finish(struct he_race *race, struct he_report **ret_report)
{
	int state, fd;

	if (race == NULL) {
		errno = EINVAL;
		return -1;
	}
	state = calm();
	fd = finish(race, ret_report);
	uncalm(state);
	return fd;
}

static void abandon(void *race)
{
	(void)he_finish(race, NULL);
}

int he_connect(const struct addrinfo *list, const struct he_options *options,
               struct he_report **ret_report)
{
	struct he_race *race;

	/* A race that is decided at once never waits, and is a cancellation point all the same. */
	pthread_testcancel();
	race = he_begin(list, options);
	if (race == NULL) {
		if (ret_report != NULL)
			*ret_report = NULL;
		return -1;
	}
	pthread_cleanup_push(abandon, race);
	while (he_advance(race) == 0) {
		struct pollfd watch = {.fd = he_descriptor(race), .events = POLLIN};

		if (libc_ppoll(&watch, 1, NULL, NULL) < 0 && errno != EINTR) {
			drive_end(race, HE_CAUSE_POLLING, errno);
			break;
		}
	}
	pthread_cleanup_pop(0);
	return he_finish(race, ret_report);
}
