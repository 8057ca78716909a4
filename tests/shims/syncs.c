/* Records every sync of a program that is started with LD_PRELOAD=syncs.so, and makes some slow or fail.
 *
 * Stands before fdatasync and fsync.  What is slow or fails are calls on files of one kind, counted from 0 for the whole
 * process.
 *
 *   WONDERQ_SHIM_FILE=SUFFIX   on files whose name ends so (default -wal)
 *   WONDERQ_SHIM_SKIP=N        leave the first N of these calls alone (default 0)
 *   WONDERQ_SHIM_DELAY_MS=N    wait so long in each of the others
 *   WONDERQ_SHIM_FAIL_AFTER=N  after N of the others one fails with EIO; those after it go well again, as on a disk
 *                              whose lost pages the kernel has forgotten
 *   WONDERQ_SHIM_LOG=PATH      write a line for each call on any file: when it began and ended, in nanoseconds on
 *                              CLOCK_MONOTONIC, "main" or "thread", the result, and the file
 *
 * Build: cc -shared -fPIC -O2 -o syncs.so syncs.c -ldl
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls;

static long setting(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? atol(value) : otherwise;
}

static long long now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return moment.tv_sec * 1000000000LL + moment.tv_nsec;
}

static void record(long long begun, int result, const char *file)
{
    const char *path = getenv("WONDERQ_SHIM_LOG");
    const char *thread = syscall(SYS_gettid) == getpid() ? "main" : "thread";
    char line[4500];
    int log, length;

    if (path == NULL)
        return;
    length = snprintf(line, sizeof line, "%lld %lld %s %d %s\n", begun, now(), thread, result, file);
    log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    /* One short line, written at once to the end of a file, does not mix with another. */
    if (log < 0 || write(log, line, length) != length)
        abort();
    close(log);
}

static int is_treated(const char *file)
{
    const char *suffix = getenv("WONDERQ_SHIM_FILE");
    size_t length;

    if (suffix == NULL)
        suffix = "-wal";
    length = strlen(file);
    return length > strlen(suffix) && strcmp(file + length - strlen(suffix), suffix) == 0;
}

static int sync_file(int descriptor, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    long long begun = now();
    char link[64], file[4096] = "";
    int fails = 0, result, error;

    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    if (readlink(link, file, sizeof file - 1) > 0 && is_treated(file)) {
        long call = atomic_fetch_add(&calls, 1) - setting("WONDERQ_SHIM_SKIP", 0);
        long delay = call >= 0 ? setting("WONDERQ_SHIM_DELAY_MS", 0) : 0;
        struct timespec wait = {delay / 1000, delay % 1000 * 1000000L};
        nanosleep(&wait, NULL);
        fails = call >= 0 && call == setting("WONDERQ_SHIM_FAIL_AFTER", -1);
    }
    result = fails ? -1 : real(descriptor);
    error = fails ? EIO : errno;
    record(begun, result, file);
    errno = error;
    return result;
}

int fdatasync(int descriptor)
{
    return sync_file(descriptor, "fdatasync");
}

int fsync(int descriptor)
{
    return sync_file(descriptor, "fsync");
}
