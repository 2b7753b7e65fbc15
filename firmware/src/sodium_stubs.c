/* Parts of libsodium that sodium_init() calls and that are not built here. */
int _crypto_pwhash_argon2_pick_best_implementation(void);
int _crypto_aead_aegis128l_pick_best_implementation(void);
int _crypto_aead_aegis256_pick_best_implementation(void);

int _crypto_pwhash_argon2_pick_best_implementation(void)
{
    return 0;
}

int _crypto_aead_aegis128l_pick_best_implementation(void)
{
    return 0;
}

int _crypto_aead_aegis256_pick_best_implementation(void)
{
    return 0;
}
