/* Fails, or kills at, the k-th call that changes a file under a folder. Preloaded by io_faults.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static char folder[4096];
static long at = -1, seen;
static int with, sticky;

/* Begin to count the calls under a folder. The at-th fails with an errno, or kills if that is 0;
   if sticky, so does each after it. */
void fault_arm(const char *path, long k, int error, int for_ever)
{
    snprintf(folder, sizeof folder, "%s", path);
    at = k, with = error, sticky = for_ever, seen = 0;
}

long fault_seen(void) { return seen; }

static int due(const char *path)
{
    if (at < 0 || strncmp(path, folder, strlen(folder)))
        return 0;
    seen++;
    return seen == at || (sticky && seen > at);
}

static int due_fd(int fd)
{
    char name[64], path[4096];
    if (at < 0)
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return due(path);
}

static int failed(void)
{
    if (!with)
        kill(getpid(), SIGKILL);
    errno = with;
    return -1;
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* Half of what was to be written is: a disk stops anywhere. */
#define WRITES(name, offset_t)                                                            \
    ssize_t name(int fd, const void *data, size_t n, offset_t where)                      \
    {                                                                                     \
        REAL(name);                                                                       \
        if (!due_fd(fd))                                                                  \
            return real(fd, data, n, where);                                              \
        (void)!real(fd, data, n / 2, where);                                              \
        return failed();                                                                  \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t n)
{
    REAL(write);
    return due_fd(fd) ? failed() : real(fd, data, n);
}

#define OF_FD(name)                                                                       \
    int name(int fd)                                                                      \
    {                                                                                     \
        REAL(name);                                                                       \
        return due_fd(fd) ? failed() : real(fd);                                          \
    }
OF_FD(fsync)
OF_FD(fdatasync)

#define CUTS(name, offset_t)                                                              \
    int name(int fd, offset_t length)                                                     \
    {                                                                                     \
        REAL(name);                                                                       \
        return due_fd(fd) ? failed() : real(fd, length);                                  \
    }
CUTS(ftruncate, off_t)
CUTS(ftruncate64, off64_t)

#define OF_TWO(name)                                                                      \
    int name(const char *from, const char *to)                                            \
    {                                                                                     \
        REAL(name);                                                                       \
        return due(to) ? failed() : real(from, to);                                       \
    }
OF_TWO(rename)
OF_TWO(link)

int unlink(const char *path)
{
    REAL(unlink);
    return due(path) ? failed() : real(path);
}
