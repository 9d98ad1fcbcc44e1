/* A disk and a clock that fail when they are told to; built and driven by `faulty.py`.
 *
 * Preloaded into a Python process. Only files below one folder are concerned. With faulty_full(n),
 * the n-th write from now and all later ones fail with ENOSPC. With faulty_file(n, room), the n-th
 * file that is written from now takes so many bytes, and then its writes fail with ENOSPC; every
 * other file is written. With faulty_record(folder), every sync, rename and removal is written to a
 * log, with a copy of what was synced. With faulty_clock(seconds), the wall clock is off by so many
 * seconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char root[4096], record[3072];
static long left = -1, writes, events, clock_offset;
static int log_fd = -1;
/* the files that were written, in order, and the bytes of each */
#define MOST 2000
static char *files[MOST];
static long bytes[MOST], count_of_files, one_file = -1, room;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void faulty_root(const char *path) { strncpy(root, path, sizeof root - 1); }
void faulty_full(long n) { left = n; writes = 0; }
long faulty_writes(void) { return writes; }
void faulty_file(long n, long bytes_that_fit) {
    for (long i = 0; i < count_of_files; i++) free(files[i]);
    count_of_files = 0;
    one_file = n;
    room = bytes_that_fit;
}
const char *faulty_name(long n) { return n < count_of_files ? files[n] : NULL; }
long faulty_bytes(long n) { return bytes[n]; }
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

/* the number of a file by its name, a new one where it was not written before */
static long number_of(const char *path) {
    long i = 0;
    pthread_mutex_lock(&lock);
    while (i < count_of_files && strcmp(files[i], path)) i++;
    if (i == count_of_files && i < MOST) {
        files[i] = strdup(path);
        bytes[i] = 0;
        count_of_files++;
    }
    pthread_mutex_unlock(&lock);
    return i;
}

/* how many of n bytes fit; -1 where none does */
static ssize_t fits(int fd, size_t n) {
    char path[4096];
    if (!*root || !n || !path_of(fd, path)) return n;
    long number = __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST);
    long i = number_of(path);
    ssize_t possible = n;
    if (left >= 0 && number >= left) possible = -1;
    if (i == one_file && bytes[i] + (long)n > room) possible = bytes[i] < room ? room - bytes[i] : -1;
    if (possible < 0) errno = ENOSPC;
    else if (i < MOST) bytes[i] += possible;
    return possible;
}

#define REAL(type, name, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

ssize_t write(int fd, const void *b, size_t n) {
    REAL(ssize_t, "write", int, const void *, size_t);
    ssize_t possible = fits(fd, n);
    return possible < 0 ? -1 : real(fd, b, possible);
}
ssize_t pwrite64(int fd, const void *b, size_t n, off64_t at) {
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    ssize_t possible = fits(fd, n);
    return possible < 0 ? -1 : real(fd, b, possible, at);
}
ssize_t pwrite(int fd, const void *b, size_t n, off_t at) {
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    ssize_t possible = fits(fd, n);
    return possible < 0 ? -1 : real(fd, b, possible, at);
}
ssize_t writev(int fd, const struct iovec *v, int n) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    size_t whole = 0;
    for (int i = 0; i < n; i++) whole += v[i].iov_len;
    ssize_t possible = fits(fd, whole);
    if (possible < 0) return -1;
    if ((size_t)possible == whole) return real(fd, v, n);
    /* one short write of the first buffer */
    size_t first = v[0].iov_len < (size_t)possible ? v[0].iov_len : (size_t)possible;
    return syscall(SYS_write, fd, v[0].iov_base, first);
}
/* C's own buffered files write without the function `write`; NumPy's tofile uses them */
size_t fwrite(const void *b, size_t size, size_t n, FILE *file) {
    REAL(size_t, "fwrite", const void *, size_t, size_t, FILE *);
    int fd = fileno(file);
    ssize_t possible = fd < 0 ? (ssize_t)(size * n) : fits(fd, size * n);
    if (possible == (ssize_t)(size * n)) return real(b, size, n, file);
    if (possible > 0) real(b, 1, possible, file);
    errno = ENOSPC;
    return 0;
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
