/* Arm semihosting: files, command line and exit status of the host that runs the emulator. */
#ifndef ZKM_SEMIHOSTING_H
#define ZKM_SEMIHOSTING_H

#include <stddef.h>
#include <stdint.h>

enum zkm_open_mode { ZKM_OPEN_READ = 1, ZKM_OPEN_READ_WRITE = 3, ZKM_OPEN_WRITE = 5 };

/* A handle, or -1. Files are binary; ZKM_OPEN_READ_WRITE needs the file to exist, ZKM_OPEN_WRITE empties it. */
int zkm_open(const char *path, enum zkm_open_mode mode);
int zkm_close(int handle);

/* Bytes transferred: fewer than size at the end of the file or on an error. */
size_t zkm_read(int handle, void *data, size_t size);
size_t zkm_write(int handle, const void *data, size_t size);

/* Moves to a byte offset; false on an error. */
int zkm_seek(int handle, uint32_t offset);

/* Bytes in the file, or -1. */
int32_t zkm_length(int handle);

/* The arguments given to the emulator, with spaces between, NUL at the end; 0, or -1 if they do not fit. */
int zkm_command_line(char *text, size_t capacity);

/* A line, or part of one, on the emulator's console. */
void zkm_print(const char *text);
void zkm_print_number(uint32_t value);

/* Ends the emulator with this exit status (0..255). */
_Noreturn void zkm_exit(int status);

#endif
