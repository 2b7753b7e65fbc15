/* The board's semihosting calls on the host's own files, so that one driver runs on both. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "semihosting.h"

int zkm_open(const char *path, enum zkm_open_mode mode)
{
    switch (mode) {
    case ZKM_OPEN_READ:
        return open(path, O_RDONLY);
    case ZKM_OPEN_READ_WRITE:
        return open(path, O_RDWR);
    default:
        return open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    }
}

int zkm_close(int handle)
{
    return close(handle);
}

size_t zkm_read(int handle, void *data, size_t size)
{
    const ssize_t done = read(handle, data, size);
    return done > 0 ? (size_t)done : 0;
}

size_t zkm_write(int handle, const void *data, size_t size)
{
    const ssize_t done = write(handle, data, size);
    return done > 0 ? (size_t)done : 0;
}

/* argument by argument from the kernel's copy, so that the driver keeps main(void) */
int zkm_command_line(char *text, size_t capacity)
{
    const int handle = open("/proc/self/cmdline", O_RDONLY);
    if (handle < 0) {
        return -1;
    }
    static char whole[1024];
    const ssize_t size = read(handle, whole, sizeof whole - 1);
    (void)close(handle);
    if (size <= 0) {
        return -1;
    }
    const size_t skip = strlen(whole) + 1; /* the program's own name */
    const size_t rest = (size_t)size - skip;
    if (skip >= (size_t)size || rest > capacity) {
        return -1;
    }
    memcpy(text, whole + skip, rest);
    for (size_t i = 0; i + 1 < rest; i++) {
        if (text[i] == '\0') {
            text[i] = ' ';
        }
    }
    return 0;
}
