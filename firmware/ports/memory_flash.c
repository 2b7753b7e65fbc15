#include "memory_flash.h"

#include <string.h>

bool zkm_memory_flash_read(void *context, uint32_t page, uint32_t offset, uint8_t *out, size_t size)
{
    const zkm_memory_flash *const flash = context;
    memcpy(out, flash->bytes + (size_t)page * flash->page_bytes + offset, size);
    return true;
}

bool zkm_memory_flash_erase(void *context, uint32_t page)
{
    const zkm_memory_flash *const flash = context;
    memset(flash->bytes + (size_t)page * flash->page_bytes, 0xff, flash->page_bytes);
    return true;
}

bool zkm_memory_flash_write(void *context, uint32_t page, uint32_t offset, const uint8_t *data, size_t size)
{
    const zkm_memory_flash *const flash = context;
    uint8_t *const at = flash->bytes + (size_t)page * flash->page_bytes + offset;
    for (size_t i = 0; i < size; i++) {
        at[i] &= data[i]; /* programming only clears bits */
    }
    return true;
}
