/* A disk that fails on request. Loaded before the C library (LD_PRELOAD), it stands between a node and the calls that
 * change what is on the disk, and fails those that a plan names.
 *
 * The plan is one line in the file that EDSR_SHIM_PLAN names, read before every call under the directory EDSR_SHIM_DIR:
 *
 *     SERIAL PART OP ERROR HOW INDEX
 *
 * PART is text that the path of the file must contain. OP is write, sync, truncate, rename, create or any. ERROR is a
 * number of errno; 0 is a write that takes only half of the bytes, which is no error; a negative number is a delay in
 * milliseconds. HOW is once (the call with that index) or from (that call and every later one). Calls are counted from
 * 1, anew with every SERIAL. Whatever was done to a call is noted in the file EDSR_SHIM_HITS.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long serial_now, calls;

/* What to do to a call. */
struct verdict {
    int error; /* fail with it, if above 0 */
    int half;  /* take half of the bytes */
};

static void wait_ms(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

static struct verdict judge_path(const char *path, const char *op) {
    struct verdict verdict = {0, 0};
    const char *dir = getenv("EDSR_SHIM_DIR"), *plan = getenv("EDSR_SHIM_PLAN"), *hits = getenv("EDSR_SHIM_HITS");
    if (!dir || !plan || !hits || strncmp(path, dir, strlen(dir)) != 0) return verdict;
    char text[512], part[256], kind[16], how[8];
    long serial, index;
    int error;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, plan, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return verdict;
    ssize_t got = syscall(SYS_read, fd, text, sizeof text - 1);
    syscall(SYS_close, fd);
    if (got <= 0) return verdict;
    text[got] = 0;
    if (sscanf(text, "%ld %255s %15s %d %7s %ld", &serial, part, kind, &error, how, &index) != 6) return verdict;
    if (!strstr(path, part) || (strcmp(kind, op) != 0 && strcmp(kind, "any") != 0)) return verdict;
    pthread_mutex_lock(&lock);
    if (serial != serial_now) {
        serial_now = serial;
        calls = 0;
    }
    calls++;
    int hit = strcmp(how, "once") == 0 ? calls == index : calls >= index;
    pthread_mutex_unlock(&lock);
    if (!hit) return verdict;
    int to = (int)syscall(SYS_openat, AT_FDCWD, hits, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (to >= 0) {
        char note[700];
        int length = snprintf(note, sizeof note, "%s %s %d\n", op, path, error);
        syscall(SYS_write, to, note, (size_t)length);
        syscall(SYS_close, to);
    }
    if (error < 0) wait_ms(-(long)error);
    else if (error == 0) verdict.half = 1;
    else verdict.error = error;
    return verdict;
}

static struct verdict judge(int fd, const char *op) {
    char link[64], path[512];
    struct verdict none = {0, 0};
    int kept = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t got = readlink(link, path, sizeof path - 1);
    errno = kept;
    if (got <= 0) return none;
    path[got] = 0;
    struct verdict verdict = judge_path(path, op);
    errno = kept;
    return verdict;
}

#define REAL(result, name, ...)                                   \
    static result (*real)(__VA_ARGS__);                           \
    if (!real) real = (result (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

#define FAIL_IF_TOLD(verdict) \
    if ((verdict).error) {    \
        errno = (verdict).error; \
        return -1;            \
    }

static size_t part_of(struct verdict verdict, size_t count) {
    return verdict.half && count > 1 ? count / 2 : count;
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, write, int, const void *, size_t);
    struct verdict verdict = judge(fd, "write");
    FAIL_IF_TOLD(verdict)
    return real(fd, bytes, part_of(verdict, count));
}

#define PWRITE(name, offset_type)                                             \
    ssize_t name(int fd, const void *bytes, size_t count, offset_type offset) { \
        REAL(ssize_t, name, int, const void *, size_t, offset_type);          \
        struct verdict verdict = judge(fd, "write");                          \
        FAIL_IF_TOLD(verdict)                                                 \
        return real(fd, bytes, part_of(verdict, count), offset);              \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(ssize_t, writev, int, const struct iovec *, int);
    struct verdict verdict = judge(fd, "write");
    FAIL_IF_TOLD(verdict)
    return real(fd, parts, verdict.half ? 1 : count);
}

#define PWRITEV(name, offset_type)                                              \
    ssize_t name(int fd, const struct iovec *parts, int count, offset_type offset) { \
        REAL(ssize_t, name, int, const struct iovec *, int, offset_type);       \
        struct verdict verdict = judge(fd, "write");                            \
        FAIL_IF_TOLD(verdict)                                                   \
        return real(fd, parts, verdict.half ? 1 : count, offset);               \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define SYNC(name)                                \
    int name(int fd) {                            \
        REAL(int, name, int);                     \
        struct verdict verdict = judge(fd, "sync"); \
        FAIL_IF_TOLD(verdict)                     \
        return real(fd);                          \
    }
SYNC(fsync)
SYNC(fdatasync)

#define TRUNCATE(name, offset_type)                     \
    int name(int fd, offset_type length) {              \
        REAL(int, name, int, offset_type);              \
        struct verdict verdict = judge(fd, "truncate"); \
        FAIL_IF_TOLD(verdict)                           \
        return real(fd, length);                        \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    struct verdict verdict = judge_path(to, "rename");
    FAIL_IF_TOLD(verdict)
    return real(from, to);
}

#define MODE_OF(flags, last)                          \
    mode_t mode = 0;                                  \
    if ((flags) & (O_CREAT | O_TMPFILE)) {            \
        va_list rest;                                 \
        va_start(rest, last);                         \
        mode = (mode_t)va_arg(rest, int);             \
        va_end(rest);                                 \
    }                                                 \
    if ((flags) & O_CREAT) {                          \
        struct verdict verdict = judge_path(path, "create"); \
        FAIL_IF_TOLD(verdict)                         \
    }

#define OPEN(name)                                  \
    int name(const char *path, int flags, ...) {    \
        REAL(int, name, const char *, int, ...);    \
        MODE_OF(flags, flags)                       \
        return real(path, flags, mode);             \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                        \
    int name(int dir, const char *path, int flags, ...) {   \
        REAL(int, name, int, const char *, int, ...);       \
        MODE_OF(flags, flags)                               \
        return real(dir, path, flags, mode);                \
    }
OPENAT(openat)
OPENAT(openat64)
