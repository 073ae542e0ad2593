/* Preloaded into the service: a disk that the drill can spoil.
 *
 * Its files are bot.db and bot.db-wal in $POWER_ROOT. Each sync of one leaves a copy of it in
 * $POWER_COPIES: that and no more is what a power cut would leave. From the $POWER_FAIL_SYNC-th
 * sync on all fail with EIO, and the file "failed" beside the copies says since when. At the
 * $POWER_KILL_WRITE-th page that a checkpoint writes into the database the process dies.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];
static const char *copies;
static long fail_sync, kill_write;
static int wal_synced;
static char buffer[1 << 20];

static long number(const char *name)
{
    const char *value = getenv(name);
    return value == NULL ? 0 : atol(value);
}

/* Runs before the interpreter reads its environment: no child inherits us. */
__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("POWER_ROOT");
    if (folder == NULL || realpath(folder, root) == NULL)
        root[0] = 0;
    copies = getenv("POWER_COPIES");
    fail_sync = number("POWER_FAIL_SYNC");
    kill_write = number("POWER_KILL_WRITE");
    unsetenv("LD_PRELOAD");
}

/* The name of a database file behind fd, NULL for anything else. */
static const char *database(int fd)
{
    static __thread char path[PATH_MAX];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    size_t head = strlen(root);
    if (size < 0 || head == 0)
        return NULL;
    path[size] = 0;
    if (strncmp(path, root, head) != 0 || path[head] != '/')
        return NULL;
    const char *name = path + head + 1;
    return strcmp(name, "bot.db") == 0 || strcmp(name, "bot.db-wal") == 0 ? name : NULL;
}

static void give_up(const char *what)
{
    perror(what);
    abort();
}

/* Reads through fd itself: closing another one would drop SQLite's locks. */
static void copy(int fd, const char *name)
{
    char whole[PATH_MAX], part[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/%s", copies, name);
    snprintf(part, sizeof part, "%s/%s.part", copies, name);
    int out = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0)
        give_up("power: a copy cannot be made");
    ssize_t size;
    for (off_t at = 0; (size = pread(fd, buffer, sizeof buffer, at)) > 0; at += size)
        if (write(out, buffer, size) != size)
            give_up("power: a copy cannot be written");
    if (size < 0 || close(out) != 0 || rename(part, whole) != 0)
        give_up("power: a copy is not whole");
}

static int failing(void)
{
    char path[PATH_MAX];
    if (fail_sync == 0 || --fail_sync > 0)
        return 0;
    fail_sync = 1;
    snprintf(path, sizeof path, "%s/failed", copies);
    int mark = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (mark >= 0)
        close(mark);
    return 1;
}

static int synced(int fd, const char *function)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, function);
    const char *name = database(fd);
    if (name == NULL)
        return real(fd);
    if (failing()) {
        errno = EIO;
        return -1;
    }
    int result = real(fd);
    if (result == 0 && copies != NULL)
        copy(fd, name);
    if (strcmp(name, "bot.db-wal") == 0)
        wal_synced = 1;
    return result;
}

int fsync(int fd)
{
    return synced(fd, "fsync");
}

int fdatasync(int fd)
{
    return synced(fd, "fdatasync");
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (real == NULL)
        real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    if (kill_write > 0 && wal_synced) {
        const char *name = database(fd);
        if (name != NULL && strcmp(name, "bot.db") == 0 && --kill_write == 0)
            kill(getpid(), SIGKILL);
    }
    return real(fd, data, size, at);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return pwrite64(fd, data, size, at);
}
