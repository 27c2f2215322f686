/*
 * libhe: a Happy Eyeballs (RFC 8305) connection race for programs that were never written for it.
 *
 * This header holds what people and tools may rely on: the version and the names of the settings.
 * A program needs none of it to be helped; `LD_PRELOAD=libhe.so program` or `he run program` is
 * all.
 */
#ifndef HE_H
#define HE_H

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif
