#include "journal.h"

#include <string.h>

#include "bytes.h"
#include "chain.h"
#include "crypto.h"

#define VERSION 1
#define ERASED 0xff
#define LENGTH_AT 6
#define SEQUENCE_AT 8
#define EPOCH_AT 12
#define COUNT_AT 60
#define HASH_READ (ZKM_HASH_BYTES - 1)

/* What a page holds. A write programs an erased page from its start and may stop at any byte, which can be half
 * programmed: some of its zeros still ones. The hash comes last, so a page on which it is complete and wrong was
 * whole once. Its very last byte does not count when a page is read: a bit that went bad there could not be told from
 * a write that stopped there. */
typedef enum { PAGE_ERASED, PAGE_WHOLE, PAGE_UNFINISHED, PAGE_DAMAGED } page_kind;

typedef struct {
    page_kind kind;
    uint32_t sequence;
    bool has_header;
} page_view;

static bool is_erased(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != ERASED) {
            return false;
        }
    }
    return true;
}

static bool read_page(const zkm_device *device, uint32_t page, uint8_t slot[ZKM_SLOT_BYTES])
{
    return device->port.flash_read(device->port.context, page, slot, ZKM_SLOT_BYTES);
}

static bool starts_a_slot(const uint8_t slot[ZKM_SLOT_BYTES])
{
    return memcmp(slot, "ZKMj", 4) == 0 && zkm_get(slot + 4, 2) == VERSION;
}

static bool is_well_formed(const uint8_t slot[ZKM_SLOT_BYTES], size_t length)
{
    if (!starts_a_slot(slot)) {
        return false;
    }
    if (length == ZKM_SLOT_BYTES) {
        return slot[COUNT_AT] == 2 && zkm_get(slot + ZKM_SLOT_FIRST - 2, 2) == ZKM_SIGNED_OPENING_BYTES &&
               zkm_get(slot + ZKM_SLOT_SECOND - 2, 2) == ZKM_SIGNED_CHECKPOINT_BYTES;
    }
    return slot[COUNT_AT] == 1 && zkm_get(slot + ZKM_SLOT_FIRST - 2, 2) == ZKM_SIGNED_CHECKPOINT_BYTES;
}

static page_kind classify(const uint8_t slot[ZKM_SLOT_BYTES])
{
    const size_t length = (size_t)zkm_get(slot + LENGTH_AT, 2);
    uint8_t digest[ZKM_HASH_BYTES];
    size_t equal = 0;
    if (is_erased(slot, ZKM_SLOT_BYTES)) {
        return PAGE_ERASED;
    }
    if (length != ZKM_SLOT_BYTES && length != ZKM_SLOT_CLOSING_BYTES) { /* not that far, or nothing of ours */
        return is_erased(slot + SEQUENCE_AT, ZKM_SLOT_BYTES - SEQUENCE_AT) ? PAGE_UNFINISHED : PAGE_DAMAGED;
    }
    const uint8_t *const written = slot + length - ZKM_HASH_BYTES;
    zkm_hash(slot, length - ZKM_HASH_BYTES, digest);
    while (equal < HASH_READ && written[equal] == digest[equal]) {
        equal++;
    }
    if (equal == HASH_READ) {
        return is_well_formed(slot, length) ? PAGE_WHOLE : PAGE_DAMAGED;
    }
    if (is_erased(written, ZKM_HASH_BYTES)) {
        return PAGE_UNFINISHED;
    }
    const bool half_written = (written[equal] & digest[equal]) == digest[equal];
    return half_written && is_erased(written + equal + 1, ZKM_HASH_BYTES - equal - 1) ? PAGE_UNFINISHED : PAGE_DAMAGED;
}

/* Whether a damaged page can be what an interrupted erase left of the slot before the current one, and not the
 * newest slot that was whole once: to go on from the one before that would be to sign a position twice. */
static bool may_be_older(const page_view *page, uint32_t current_sequence)
{
    return page->has_header ? page->sequence == current_sequence - 1 : page->sequence != current_sequence + 1;
}

static void use_slot(zkm_device *device, uint8_t page, const uint8_t slot[ZKM_SLOT_BYTES])
{
    device->journal_page = page;
    device->journal_used = 1;
    device->journal_sequence = (uint32_t)zkm_get(slot + SEQUENCE_AT, 4);
    device->before.epoch = (uint32_t)zkm_get(slot + EPOCH_AT, 4);
    device->before.index = (uint32_t)zkm_get(slot + EPOCH_AT + 4, 4);
    device->before.end_ms = zkm_get(slot + EPOCH_AT + 8, 8);
    for (size_t i = 0; i < ZKM_BLOCK; i++) {
        device->before.chain[i] = (uint32_t)zkm_get(slot + EPOCH_AT + 16 + 4 * i, 4);
    }
}

zkm_status zkm_journal_open(zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES])
{
    page_view pages[ZKM_PAGE_COUNT] = {{PAGE_ERASED, 0, false}};
    for (uint32_t page = 0; page < ZKM_PAGE_COUNT; page++) {
        if (!read_page(device, page, slot)) {
            return ZKM_FLASH;
        }
        pages[page].kind = classify(slot);
        pages[page].sequence = (uint32_t)zkm_get(slot + SEQUENCE_AT, 4);
        pages[page].has_header = starts_a_slot(slot);
    }
    if (pages[0].kind != PAGE_WHOLE && pages[1].kind != PAGE_WHOLE) {
        /* Only the first write of all can leave no whole page; no checkpoint has left the device yet. */
        if (pages[0].kind == PAGE_DAMAGED || pages[1].kind == PAGE_DAMAGED) {
            return ZKM_FLASH;
        }
        /* the next write takes an erased page */
        device->journal_page = pages[0].kind == PAGE_UNFINISHED && pages[1].kind == PAGE_ERASED ? 0 : 1;
        return ZKM_OK;
    }
    /* two whole slots follow each other, modulo 2^32 */
    const bool second_follows = pages[1].sequence == pages[0].sequence + 1;
    const uint8_t current = pages[0].kind != PAGE_WHOLE || (pages[1].kind == PAGE_WHOLE && second_follows) ? 1 : 0;
    const page_view *const other = &pages[1 - current];
    if (other->kind == PAGE_WHOLE && other->sequence + 1 != pages[current].sequence) {
        return ZKM_FLASH;
    }
    if (other->kind == PAGE_DAMAGED && !may_be_older(other, pages[current].sequence)) {
        return ZKM_FLASH;
    }
    if (!read_page(device, current, slot) || classify(slot) != PAGE_WHOLE) {
        return ZKM_FLASH;
    }
    use_slot(device, current, slot);
    return ZKM_OK;
}

zkm_status zkm_journal_read(const zkm_device *device, uint8_t slot[ZKM_SLOT_BYTES])
{
    if (!read_page(device, device->journal_page, slot) || classify(slot) != PAGE_WHOLE ||
        zkm_get(slot + SEQUENCE_AT, 4) != device->journal_sequence) {
        return ZKM_FLASH;
    }
    return ZKM_OK;
}

zkm_status zkm_journal_write(
    zkm_device *device, const zkm_position *position, bool with_opening, uint8_t slot[ZKM_SLOT_BYTES]
)
{
    const zkm_port *const port = &device->port;
    const uint8_t page = (uint8_t)(1 - device->journal_page);
    const uint32_t sequence = device->journal_sequence + 1;
    const size_t length = with_opening ? ZKM_SLOT_BYTES : ZKM_SLOT_CLOSING_BYTES;
    uint8_t digest[ZKM_HASH_BYTES];
    memcpy(slot, "ZKMj", 4);
    uint8_t *out = zkm_put(slot + 4, VERSION, 2);
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
    zkm_hash(slot, length - ZKM_HASH_BYTES, digest);
    memcpy(slot + length - ZKM_HASH_BYTES, digest, sizeof digest);
    if (!port->flash_erase(port->context, page) || !port->flash_write(port->context, page, slot, length) ||
        !read_page(device, page, slot)) {
        return ZKM_FLASH;
    }
    /* a whole slot with this hash is the slot that was written */
    if (classify(slot) != PAGE_WHOLE || memcmp(slot + length - ZKM_HASH_BYTES, digest, sizeof digest) != 0) {
        return ZKM_FLASH;
    }
    device->journal_page = page;
    device->journal_sequence = sequence;
    device->journal_used = 1;
    return ZKM_OK;
}

bool zkm_slot_has_opening(const uint8_t slot[ZKM_SLOT_BYTES])
{
    return slot[COUNT_AT] == 2;
}
