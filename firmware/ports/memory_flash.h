/* Flash pages in memory, for boards that have none to spare and for measurements: no faults, no wear. */
#ifndef ZKM_MEMORY_FLASH_H
#define ZKM_MEMORY_FLASH_H

#include "zkmeter.h"

/* What context in zkm_port points to. */
typedef struct {
    uint8_t *bytes; /* page by page */
    uint32_t page_bytes;
} zkm_memory_flash;

/* zkm_port's flash functions. They never fail. */
bool zkm_memory_flash_read(void *context, uint32_t page, uint32_t offset, uint8_t *out, size_t size);
bool zkm_memory_flash_erase(void *context, uint32_t page);
bool zkm_memory_flash_write(void *context, uint32_t page, uint32_t offset, const uint8_t *data, size_t size);

#endif
