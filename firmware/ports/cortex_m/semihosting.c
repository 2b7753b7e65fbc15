#include "semihosting.h"

#include <string.h>

enum {
    SYS_OPEN = 0x01,
    SYS_CLOSE = 0x02,
    SYS_WRITE0 = 0x04,
    SYS_WRITE = 0x05,
    SYS_READ = 0x06,
    SYS_SEEK = 0x0a,
    SYS_FLEN = 0x0c,
    SYS_GET_CMDLINE = 0x15,
    SYS_EXIT_EXTENDED = 0x20
};

#define STOPPED_BY_APPLICATION 0x20026U

static int call(int operation, const void *argument)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

int zkm_open(const char *path, enum zkm_open_mode mode)
{
    const uintptr_t block[3] = {(uintptr_t)path, (uintptr_t)mode, strlen(path)};
    return call(SYS_OPEN, block);
}

int zkm_close(int handle)
{
    const uintptr_t block[1] = {(uintptr_t)handle};
    return call(SYS_CLOSE, block);
}

size_t zkm_read(int handle, void *data, size_t size)
{
    const uintptr_t block[3] = {(uintptr_t)handle, (uintptr_t)data, size};
    return size - (size_t)call(SYS_READ, block); /* the call counts what was left over */
}

size_t zkm_write(int handle, const void *data, size_t size)
{
    const uintptr_t block[3] = {(uintptr_t)handle, (uintptr_t)data, size};
    return size - (size_t)call(SYS_WRITE, block);
}

int zkm_seek(int handle, uint32_t offset)
{
    const uintptr_t block[2] = {(uintptr_t)handle, offset};
    return call(SYS_SEEK, block) == 0;
}

int32_t zkm_length(int handle)
{
    const uintptr_t block[1] = {(uintptr_t)handle};
    return call(SYS_FLEN, block);
}

int zkm_command_line(char *text, size_t capacity)
{
    const uintptr_t block[2] = {(uintptr_t)text, capacity};
    return call(SYS_GET_CMDLINE, block) == 0 ? 0 : -1;
}

void zkm_print(const char *text)
{
    (void)call(SYS_WRITE0, text);
}

void zkm_print_number(uint32_t value)
{
    char text[11];
    char *at = &text[sizeof text - 1];
    *at = '\0';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    zkm_print(at);
}

_Noreturn void zkm_exit(int status)
{
    const uintptr_t block[2] = {STOPPED_BY_APPLICATION, (uintptr_t)status};
    (void)call(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}
