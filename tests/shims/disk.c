/* Makes syncing a file slow, or fail, when a test says so.
 *
 * LD_PRELOAD this library and let WONDERQ_DISK name a file of four 32-bit integers in the machine's order:
 *
 *   0  milliseconds that a sync takes longer        written by the test
 *   1  errno with which a sync fails; 0: it works    written by the test
 *   2  syncs begun                                   counted here
 *   3  syncs that came back, well or not             counted here
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { DELAY, ERROR, BEGUN, ENDED, WORDS };

static _Atomic int32_t idle[WORDS];
static _Atomic int32_t *words = idle;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("WONDERQ_DISK");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof idle, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        abort();
    close(fd);
    words = map;
}

static int sync_file(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    atomic_fetch_add(&words[BEGUN], 1);
    int32_t delay = atomic_load(&words[DELAY]);
    struct timespec pause = {delay / 1000, delay % 1000 * 1000000L};
    nanosleep(&pause, NULL);
    int32_t error = atomic_load(&words[ERROR]);
    int result = error ? -1 : real(fd);
    int code = error ? error : errno;
    atomic_fetch_add(&words[ENDED], 1);
    errno = code;
    return result;
}

int fdatasync(int fd)
{
    return sync_file("fdatasync", fd);
}

int fsync(int fd)
{
    return sync_file("fsync", fd);
}
