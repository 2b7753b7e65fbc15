/* Poseidon over KoalaBear, width 16: the permutation of docs/protocol.md, section 3. */
#ifndef ZKM_POSEIDON_H
#define ZKM_POSEIDON_H

#include <stdint.h>

#define ZKM_PRIME 0x7f000001 /* 2^31 - 2^24 + 1 */
#define ZKM_WIDTH 16

/* state: 16 elements, each 0..p-1, before and after. */
void zkm_poseidon_permute(uint32_t state[ZKM_WIDTH]);

/* The permutation between its first constants and its output, for a caller who adds and drops elements himself.
 * Before: each element the input plus its constant of round 0, any 32-bit representative modulo p.
 * After: any element i is zkm_poseidon_output(state[i]). */
void zkm_poseidon_rounds(int32_t state[ZKM_WIDTH]);

/* An element of the output, 0..p-1, from what zkm_poseidon_rounds left. */
uint32_t zkm_poseidon_output(int32_t element);

#endif
