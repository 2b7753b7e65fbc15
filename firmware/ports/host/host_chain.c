#include "host_chain.h"

uint32_t zkm_host_chain_version(void)
{
    return ZKM_HOST_CHAIN_VERSION;
}

void zkm_host_chain(
    uint32_t chain[ZKM_CHAIN_ELEMENTS], const uint32_t *blocks, const uint8_t *roles, size_t count, uint32_t *out
)
{
    for (size_t i = 0; i < count; i++) {
        zkm_chain_absorb(chain, &blocks[i * ZKM_BLOCK_ELEMENTS], (zkm_role)roles[i]);
        for (size_t k = 0; k < ZKM_CHAIN_ELEMENTS; k++) {
            out[i * ZKM_CHAIN_ELEMENTS + k] = chain[k];
        }
    }
}
