/* Included before every source of the device in the constant-time build: valgrind's memory check then follows secrets
 * as if they were uninitialised, and complains where a branch or an address depends on one. */
#ifndef ZKM_CONSTANT_TIME_H
#define ZKM_CONSTANT_TIME_H

#include <valgrind/memcheck.h>

#define ZKM_SECRET(pointer, size) ((void)VALGRIND_MAKE_MEM_UNDEFINED(pointer, size))
#define ZKM_PUBLIC(pointer, size) ((void)VALGRIND_MAKE_MEM_DEFINED(pointer, size))

#endif
