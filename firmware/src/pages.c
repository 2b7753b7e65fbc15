#include "pages.h"

#include <string.h>

#include "bytes.h"
#include "chain.h"
#include "crypto.h"

#define WORD ZKM_FLASH_WORD
#define HEADER ZKM_PAGE_HEADER_BYTES
#define SHORTEST ZKM_SLOT_SHORTEST
#define ERASED 0xff

#define PAGE_VERSION 1
#define FIRST_LENGTH_AT 6
#define PAGE_BYTES_AT 8
#define FIRST_SEQUENCE_AT 12

#define SLOT_VERSION 1
#define HEAD_BYTES WORD /* magic, version, length and a little more */
#define LENGTH_AT 6
#define SEQUENCE_AT 8
#define EPOCH_AT 12
#define COUNT_AT 60

/* ---- flash ---- */

bool zkm_is_erased(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != ERASED) {
            return false;
        }
    }
    return true;
}

bool zkm_flash_read(const zkm_device *device, uint32_t page, uint32_t offset, uint8_t *out, size_t size)
{
    return device->port.flash_read(device->port.context, page, offset, out, size);
}

bool zkm_page_end(const zkm_device *device, uint32_t page, uint32_t *end)
{
    uint8_t word[WORD];
    for (*end = device->port.page_bytes; *end > 0; *end -= WORD) {
        if (!zkm_flash_read(device, page, *end - WORD, word, sizeof word)) {
            return false;
        }
        if (!zkm_is_erased(word, sizeof word)) {
            break;
        }
    }
    return true;
}

bool zkm_page_program(const zkm_device *device, uint32_t page, uint32_t offset, const uint8_t *bytes, size_t size)
{
    const zkm_port *const port = &device->port;
    const size_t straight = size - size % WORD;
    uint8_t word[WORD];
    if (!port->flash_write(port->context, page, offset, bytes, straight)) {
        return false;
    }
    if (straight < size) {
        memset(word, ERASED, sizeof word);
        memcpy(word, bytes + straight, size - straight);
        if (!port->flash_write(port->context, page, offset + (uint32_t)straight, word, sizeof word)) {
            return false;
        }
    }
    for (size_t at = 0; at < size; at += WORD) {
        const size_t part = size - at < WORD ? size - at : WORD;
        if (!zkm_flash_read(device, page, offset + (uint32_t)at, word, part) || memcmp(word, bytes + at, part) != 0) {
            return false;
        }
    }
    return true;
}

/* ---- page headers ---- */

void zkm_page_header(const zkm_device *device, uint32_t sequence, size_t first_length, uint8_t out[HEADER])
{
    memcpy(out, "ZKMp", 4);
    out[4] = PAGE_VERSION;
    out[5] = (uint8_t)device->port.page_count;
    (void)zkm_put(out + FIRST_LENGTH_AT, first_length, 2);
    (void)zkm_put(out + PAGE_BYTES_AT, device->port.page_bytes, 4);
    (void)zkm_put(out + FIRST_SEQUENCE_AT, sequence, 4);
    for (size_t i = 0; i < HEADER / 2; i++) {
        out[HEADER / 2 + i] = (uint8_t)~out[i];
    }
}

bool zkm_is_page_header(const uint8_t header[HEADER], uint32_t *sequence, uint32_t *first_length)
{
    uint8_t wrong = 0;
    for (size_t i = 0; i < HEADER / 2; i++) {
        wrong |= (uint8_t)(header[i] ^ header[HEADER / 2 + i] ^ 0xff);
    }
    *sequence = (uint32_t)zkm_get(header + FIRST_SEQUENCE_AT, 4);
    *first_length = (uint32_t)zkm_get(header + FIRST_LENGTH_AT, 2);
    return wrong == 0 && memcmp(header, "ZKMp", 4) == 0;
}

bool zkm_page_begin(const zkm_device *device, uint32_t page, uint32_t sequence, size_t first_length)
{
    uint8_t header[HEADER];
    uint32_t end;
    if (!device->port.flash_erase(device->port.context, page) || !zkm_page_end(device, page, &end) || end > 0) {
        return false;
    }
    zkm_page_header(device, sequence, first_length, header);
    return zkm_page_program(device, page, 0, header, sizeof header);
}

/* ---- slots ---- */

/* The length that a slot's first bytes tell; 0: no slot starts so. */
static size_t told_length(const uint8_t head[HEAD_BYTES])
{
    const size_t length = (size_t)zkm_get(head + LENGTH_AT, 2);
    const bool known = length == ZKM_SLOT_BYTES || length == ZKM_SLOT_CLOSING_BYTES;
    return known && memcmp(head, "ZKMj", 4) == 0 && zkm_get(head + 4, 2) == SLOT_VERSION ? length : 0;
}

static bool has_its_checkpoints(const uint8_t slot[ZKM_SLOT_BYTES], size_t length)
{
    if (length == ZKM_SLOT_BYTES) {
        return slot[COUNT_AT] == 2 && zkm_get(slot + ZKM_SLOT_FIRST - 2, 2) == ZKM_SIGNED_OPENING_BYTES &&
               zkm_get(slot + ZKM_SLOT_SECOND - 2, 2) == ZKM_SIGNED_CHECKPOINT_BYTES;
    }
    return slot[COUNT_AT] == 1 && zkm_get(slot + ZKM_SLOT_FIRST - 2, 2) == ZKM_SIGNED_CHECKPOINT_BYTES;
}

bool zkm_slot_read(
    const zkm_device *device, uint32_t page, uint32_t offset, uint32_t limit, uint8_t slot[ZKM_SLOT_BYTES],
    uint32_t *end
)
{
    uint8_t digest[ZKM_HASH_BYTES];
    *end = 0;
    if (!zkm_flash_read(device, page, offset, slot, HEAD_BYTES)) {
        return false;
    }
    const size_t length = told_length(slot);
    if (length == 0 || offset + ZKM_WHOLE_WORDS(length) > limit) {
        return true;
    }
    if (!zkm_flash_read(device, page, offset + HEAD_BYTES, slot + HEAD_BYTES, length - HEAD_BYTES)) {
        return false;
    }
    zkm_hash(slot, length - ZKM_HASH_BYTES, digest);
    const bool same = memcmp(slot + length - ZKM_HASH_BYTES, digest, ZKM_HASH_BYTES - length % WORD) == 0;
    if (same && has_its_checkpoints(slot, length)) {
        *end = offset + ZKM_WHOLE_WORDS(length);
    }
    return true;
}

uint32_t zkm_slot_sequence(const uint8_t slot[ZKM_SLOT_BYTES])
{
    return (uint32_t)zkm_get(slot + SEQUENCE_AT, 4);
}

void zkm_slot_position(const uint8_t slot[ZKM_SLOT_BYTES], zkm_position *position)
{
    position->epoch = (uint32_t)zkm_get(slot + EPOCH_AT, 4);
    position->index = (uint32_t)zkm_get(slot + EPOCH_AT + 4, 4);
    position->end_ms = zkm_get(slot + EPOCH_AT + 8, 8);
    for (size_t i = 0; i < ZKM_BLOCK; i++) {
        position->chain[i] = (uint32_t)zkm_get(slot + EPOCH_AT + 16 + 4 * i, 4);
    }
}

bool zkm_slot_has_opening(const uint8_t slot[ZKM_SLOT_BYTES])
{
    return slot[COUNT_AT] == 2;
}

void zkm_slot_complete(
    const zkm_position *position, uint32_t sequence, size_t length, uint8_t slot[ZKM_SLOT_BYTES]
)
{
    const bool with_opening = length == ZKM_SLOT_BYTES;
    memcpy(slot, "ZKMj", 4);
    uint8_t *out = zkm_put(slot + 4, SLOT_VERSION, 2);
    out = zkm_put(out, length, 2);
    out = zkm_put(out, sequence, 4);
    out = zkm_put(out, position->epoch, 4);
    out = zkm_put(out, position->index, 4);
    out = zkm_put(out, position->end_ms, 8);
    zkm_chain_bytes(out, position->chain);
    out = zkm_put(out + 4 * ZKM_BLOCK, with_opening ? 2 : 1, 1);
    if (with_opening) {
        (void)zkm_put(out, ZKM_SIGNED_OPENING_BYTES, 2);
        out = slot + ZKM_SLOT_SECOND - 2;
    }
    (void)zkm_put(out, ZKM_SIGNED_CHECKPOINT_BYTES, 2);
    zkm_hash(slot, length - ZKM_HASH_BYTES, slot + length - ZKM_HASH_BYTES);
}

/* ---- a page's slots ---- */

bool zkm_page_look(const zkm_device *device, uint32_t page, uint8_t slot[ZKM_SLOT_BYTES], zkm_page_view *view)
{
    view->page = page;
    view->at = 0;
    view->behind = HEADER;
    if (!zkm_page_end(device, page, &view->end)) {
        return false;
    }
    for (uint32_t end = view->end; end >= HEADER + SHORTEST; end -= WORD) {
        uint32_t behind;
        if (!zkm_slot_read(device, page, end - SHORTEST, view->end, slot, &behind)) {
            return false;
        }
        if (behind > 0) {
            view->at = end - SHORTEST;
            view->behind = behind;
            break;
        }
    }
    return true;
}

bool zkm_page_ends_well(const zkm_device *device, const zkm_page_view *view, size_t first_length)
{
    uint8_t word[WORD];
    const uint32_t size = view->end > view->behind ? view->end - view->behind : 0;
    if (size < SHORTEST) {
        return true;
    }
    if (!zkm_flash_read(device, view->page, view->behind, word, sizeof word)) {
        return false;
    }
    const size_t length = view->at == 0 ? first_length : told_length(word);
    return zkm_is_erased(word, sizeof word) || (length == ZKM_SLOT_BYTES && size < ZKM_WHOLE_WORDS(length));
}

