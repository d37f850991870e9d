/* Writes down each change of the files in a folder, and what of it was synced. Preloaded by
   io_faults.py; power.py makes of it what a power cut would leave, at any moment.

   A record is a line "KIND INODE WHERE LENGTH" and so many bytes:
     C  a file was made          the bytes are its name
     W  it was written           the bytes are what, from WHERE on
     T  it was cut               to WHERE bytes
     S  it was synced
     L  it got one more name     the bytes are the name
     R  it got another name      the bytes are "OLD/NEW"
     U  a name was taken away    the bytes are the name
     D  the folder was synced
     M  somebody called power_mark
   What is in folders within the folder is not looked at. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static char folder[PATH_MAX];
static int trace = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* what is done and its record are one */

static void note(char kind, const struct stat *file, long long where, const void *data, size_t n)
{
    char line[96];
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    uintmax_t number = file ? file->st_ino : 0;
    int length = snprintf(line, sizeof line, "%c %ju %lld %zu\n", kind, number, where, n);
    if (real(trace, line, length) != length || real(trace, data, n) != (ssize_t)n)
        abort(); /* a record that is missing would pass for a fault of the program */
}

/* Begin to write down what changes in a folder, given without links, to a file elsewhere. */
void power_arm(const char *path, const char *to)
{
    snprintf(folder, sizeof folder, "%s", path);
    trace = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (trace < 0)
        abort();
}

void power_mark(void)
{
    pthread_mutex_lock(&lock);
    note('M', NULL, 0, "", 0);
    pthread_mutex_unlock(&lock);
}

/* Give the name in the folder of a path, NULL if it is elsewhere. */
static const char *named(const char *path)
{
    char there[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (trace < 0)
        return NULL;
    if (slash && slash != path)
        snprintf(there, sizeof there, "%.*s", (int)(slash - path), path);
    else
        strcpy(there, slash ? "/" : ".");
    return realpath(there, real) && !strcmp(real, folder) ? (slash ? slash + 1 : path) : NULL;
}

/* Tell whether a descriptor is of a file in the folder ('F'), of the folder ('D'), or neither. */
static char kind_of(int fd, struct stat *found)
{
    char name[64], path[PATH_MAX];
    size_t n = strlen(folder);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t length = trace < 0 ? -1 : readlink(name, path, sizeof path - 1);
    if (length < 0 || fstat(fd, found))
        return 0;
    path[length] = 0;
    if (S_ISDIR(found->st_mode))
        return strcmp(path, folder) ? 0 : 'D';
    return S_ISREG(found->st_mode) && !strncmp(path, folder, n) && path[n] == '/' &&
           !strchr(path + n + 1, '/') ? 'F' : 0;
}

#define OPENS(name)                                                                       \
    int name(const char *path, int flags, ...)                                            \
    {                                                                                     \
        REAL(name);                                                                       \
        struct stat found;                                                                \
        va_list more;                                                                     \
        va_start(more, flags);                                                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;           \
        va_end(more);                                                                     \
        const char *short_name = flags & (O_CREAT | O_TRUNC) ? named(path) : NULL;        \
        if (!short_name)                                                                  \
            return real(path, flags, mode);                                               \
        pthread_mutex_lock(&lock);                                                        \
        int new = lstat(path, &found), fd = real(path, flags, mode);                      \
        if (fd >= 0 && !fstat(fd, &found) && new)                                         \
            note('C', &found, 0, short_name, strlen(short_name));                         \
        else if (fd >= 0 && flags & O_TRUNC)                                              \
            note('T', &found, 0, "", 0);                                                  \
        pthread_mutex_unlock(&lock);                                                      \
        return fd;                                                                        \
    }
OPENS(open)
OPENS(open64)

/* Do it, and write it down if it went well. */
#define NOTED(type, call, record)                                                         \
    REAL(call);                                                                           \
    struct stat found;                                                                    \
    char kind = kind_of(fd, &found);                                                      \
    if (!kind)                                                                            \
        return DO;                                                                        \
    pthread_mutex_lock(&lock);                                                            \
    type done = DO;                                                                       \
    if (done >= 0)                                                                        \
        record;                                                                           \
    pthread_mutex_unlock(&lock);                                                          \
    return done;

#define DO real(fd, data, n, where)
ssize_t pwrite(int fd, const void *data, size_t n, off_t where)
{
    NOTED(ssize_t, pwrite, note('W', &found, where, data, done))
}
ssize_t pwrite64(int fd, const void *data, size_t n, off64_t where)
{
    NOTED(ssize_t, pwrite64, note('W', &found, where, data, done))
}
#undef DO

#define DO real(fd, data, n)
ssize_t write(int fd, const void *data, size_t n)
{
    NOTED(ssize_t, write, note('W', &found, lseek(fd, 0, SEEK_CUR) - done, data, done))
}
#undef DO

#define DO real(fd, length)
int ftruncate(int fd, off_t length) { NOTED(int, ftruncate, note('T', &found, length, "", 0)) }
int ftruncate64(int fd, off64_t length)
{
    NOTED(int, ftruncate64, note('T', &found, length, "", 0))
}
#undef DO

#define DO real(fd)
int fsync(int fd) { NOTED(int, fsync, note(kind == 'D' ? 'D' : 'S', &found, 0, "", 0)) }
int fdatasync(int fd) { NOTED(int, fdatasync, note(kind == 'D' ? 'D' : 'S', &found, 0, "", 0)) }
#undef DO

int rename(const char *from, const char *to)
{
    REAL(rename);
    char both[2 * NAME_MAX + 2];
    struct stat found;
    const char *old = named(from), *new = named(to);
    if (!old && !new)
        return real(from, to);
    pthread_mutex_lock(&lock);
    int failed = real(from, to);
    if (!failed) {
        if (!old || !new || lstat(to, &found))
            abort(); /* into the folder or out of it: that is not told in these records */
        note('R', &found, 0, both, snprintf(both, sizeof both, "%s/%s", old, new));
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

int link(const char *from, const char *to)
{
    REAL(link);
    struct stat found;
    const char *new = named(to);
    if (!new)
        return real(from, to);
    pthread_mutex_lock(&lock);
    int failed = real(from, to);
    if (!failed && !lstat(to, &found))
        note('L', &found, 0, new, strlen(new));
    pthread_mutex_unlock(&lock);
    return failed;
}

int unlink(const char *path)
{
    REAL(unlink);
    const char *old = named(path);
    if (!old)
        return real(path);
    pthread_mutex_lock(&lock);
    int failed = real(path);
    if (!failed)
        note('U', NULL, 0, old, strlen(old));
    pthread_mutex_unlock(&lock);
    return failed;
}
