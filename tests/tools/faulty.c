/* A disk and a clock that fail when they are told to; built and driven by `faulty.py`.
 *
 * Preloaded into a Python process. Only files below one folder are concerned. With faulty_full(n),
 * the n-th write from now and all later ones fail with ENOSPC. With faulty_record(folder), every
 * sync, rename and removal is written to a log, with a copy of what was synced. With
 * faulty_clock(seconds), the wall clock is off by so many seconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char root[4096], record[3072];
static long left = -1, writes, events, clock_offset;
static int log_fd = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void faulty_root(const char *path) { strncpy(root, path, sizeof root - 1); }
void faulty_full(long n) { left = n; writes = 0; }
long faulty_writes(void) { return writes; }
void faulty_clock(long seconds) { clock_offset = seconds; }

void faulty_record(const char *folder) {
    char path[4096];
    if (log_fd >= 0) close(log_fd);
    log_fd = -1;
    if (!folder) return;
    strncpy(record, folder, sizeof record - 1);
    snprintf(path, sizeof path, "%s/log", record);
    events = 0;
    log_fd = syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
}

static int below(const char *path) { return *root && !strncmp(path, root, strlen(root)); }

static int path_of(int fd, char *path) {
    char link[64];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, 4095);
    errno = saved;
    if (n < 0) return 0;
    path[n] = 0;
    return below(path);
}

static int full(int fd) {
    char path[4096];
    if (left < 0 && log_fd < 0 && !*root) return 0;
    if (!path_of(fd, path)) return 0;
    long n = __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST);
    if (left < 0 || n < left) return 0;
    errno = ENOSPC;
    return 1;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *b, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    return full(fd) ? -1 : real(fd, b, n);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    return full(fd) ? -1 : real(fd, b, n, at);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    return full(fd) ? -1 : real(fd, b, n, at);
}
ssize_t writev(int fd, const struct iovec *v, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    return full(fd) ? -1 : real(fd, v, n);
}

static void line(const char *kind, unsigned long inode, const char *a, const char *b) {
    char text[9000];
    int n = snprintf(text, sizeof text, "%s\t%ld\t%lu\t%s\t%s\n", kind, events++, inode, a, b);
    syscall(SYS_write, log_fd, text, n);
}

static void synced(int fd) {
    char path[4096], copy[4096], buffer[65536];
    struct stat s;
    if (log_fd < 0 || !path_of(fd, path) || fstat(fd, &s)) return;
    if (!S_ISREG(s.st_mode)) return;
    pthread_mutex_lock(&lock);
    snprintf(copy, sizeof copy, "%s/%ld", record, events);
    /* the descriptor may be for writing only */
    int in = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    int out = syscall(SYS_openat, AT_FDCWD, copy, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    ssize_t n;
    off_t at = 0;
    while (in >= 0 && (n = syscall(SYS_pread64, in, buffer, sizeof buffer, at)) > 0) {
        syscall(SYS_write, out, buffer, n);
        at += n;
    }
    syscall(SYS_close, out);
    if (in >= 0) syscall(SYS_close, in);
    line("sync", s.st_ino, path, "");
    pthread_mutex_unlock(&lock);
}

int fsync(int fd) {
    REAL(int, "fsync", int);
    int rc = real(fd);
    if (!rc) synced(fd);
    return rc;
}
int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    int rc = real(fd);
    if (!rc) synced(fd);
    return rc;
}

static void named(const char *kind, const struct stat *s, const char *a, const char *b) {
    if (log_fd < 0 || !(below(a) || below(b))) return;
    pthread_mutex_lock(&lock);
    line(kind, s->st_ino, a, b);
    pthread_mutex_unlock(&lock);
}

/* a name as seen from an open folder, in full */
static const char *whole(int folder, const char *name, char *path) {
    char link[64];
    int saved = errno;
    ssize_t n;
    if (*name == '/') return name;
    snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
    n = readlink(link, path, 4096);
    errno = saved;
    if (n < 0) return name;
    snprintf(path + n, 4096, "/%s", name);
    return path;
}

static int renamed(int d, const char *a, int e, const char *b, unsigned flags) {
    char x[8300], y[8300];
    struct stat s = {0};
    const char *from = whole(d, a, x), *to = whole(e, b, y);
    stat(from, &s);
    int rc = syscall(SYS_renameat2, d, a, e, b, flags);
    if (!rc) named(flags & 2 ? "exchange" : "rename", &s, from, to);
    return rc;
}
int rename(const char *a, const char *b) { return renamed(AT_FDCWD, a, AT_FDCWD, b, 0); }
int renameat(int d, const char *a, int e, const char *b) { return renamed(d, a, e, b, 0); }
int renameat2(int d, const char *a, int e, const char *b, unsigned f) {
    return renamed(d, a, e, b, f);
}

static int removed(int d, const char *a, int flags) {
    char x[8300];
    struct stat s = {0};
    const char *path = whole(d, a, x);
    stat(path, &s);
    int rc = syscall(SYS_unlinkat, d, a, flags);
    if (!rc) named("remove", &s, path, "");
    return rc;
}
int unlink(const char *a) { return removed(AT_FDCWD, a, 0); }
int unlinkat(int d, const char *a, int flags) { return removed(d, a, flags); }

int clock_gettime(clockid_t id, struct timespec *t) {
    int rc = syscall(SYS_clock_gettime, id, t);
    if (!rc && id == CLOCK_REALTIME) t->tv_sec += clock_offset;
    return rc;
}
