// SPDX-License-Identifier: Apache-2.0
// A clock of the node's own. All containers have the machine's; what is preloaded with this sees it ahead, or behind, by
// as many seconds as OFFSET says (faults.jump_clock). CLOCK_MONOTONIC stays as it is, as it does where a clock is set.
// libfaketime would be the usual means: its clock_nanosleep breaks time.sleep of Python 3.11 (0.9.10).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define OFFSET "/run/clock"

static time_t offset(void)
{
    char text[32] = "";
    int before = errno;
    int file = open(OFFSET, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) < 0)
            text[0] = 0;
        close(file);
    }
    errno = before;
    // The journal is read by the machine's clock.
    return strcmp(program_invocation_short_name, "systemd-journald") ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        now->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now)
{
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME_COARSE, &precise);
    if (now)
        *now = precise.tv_sec;
    return precise.tv_sec;
}

// What waits until a time of day means the one that it sees (libqb does).
int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    struct timespec real = *until;
    real.tv_sec -= offset();
    return sem_clockwait(semaphore, CLOCK_REALTIME, &real);
}
