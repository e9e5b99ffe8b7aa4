/* Put before the C library, makes writes and syncs of some files fail or stand still, for as long as the file
 * that FAULTY_DISK names says so: "PART OPERATION ERRNO", where PART is in the paths of these files,
 * OPERATION is write, sync or any, and an ERRNO of 0 stands still. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static int says(char *rule, size_t size)
{
    const char *path = getenv("FAULTY_DISK");
    int file = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return 0;
    ssize_t length = syscall(SYS_read, file, rule, size - 1);
    syscall(SYS_close, file);
    rule[length > 0 ? length : 0] = 0;
    return length > 0;
}

static int fails(int fd, const char *operation)
{
    char rule[512], part[256], which[16], link[64], path[4096];
    int error;
    while (says(rule, sizeof rule) && sscanf(rule, "%255s %15s %d", part, which, &error) == 3) {
        if (strcmp(which, "any") && strcmp(which, operation))
            return 0;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        path[length > 0 ? length : 0] = 0;
        if (!strstr(path, part))
            return 0;
        if (error) {
            errno = error;
            return 1;
        }
        usleep(2000);
    }
    return 0;
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *bytes, size_t size)
{
    return fails(fd, "write") ? -1 : REAL(ssize_t, "write", int, const void *, size_t)(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *slices, int count)
{
    return fails(fd, "write") ? -1 : REAL(ssize_t, "writev", int, const struct iovec *, int)(fd, slices, count);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    return fails(fd, "write") ? -1 : REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t)(fd, bytes, size, at);
}

int fsync(int fd)
{
    return fails(fd, "sync") ? -1 : REAL(int, "fsync", int)(fd);
}

int fdatasync(int fd)
{
    return fails(fd, "sync") ? -1 : REAL(int, "fdatasync", int)(fd);
}
