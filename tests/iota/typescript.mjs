// Answers calls with the official TypeScript SDK: a JSON array of calls on standard input, a JSON
// array of answers on standard output. The argument is the folder that holds node_modules.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.argv[2]}/`);
const { Transaction, Inputs } = require('@iota/iota-sdk/transactions');
const { verifyTransactionSignature, publicKeyFromIotaBytes } = require('@iota/iota-sdk/verify');
const { Ed25519Keypair } = require('@iota/iota-sdk/keypairs/ed25519');
const { MultiSigPublicKey } = require('@iota/iota-sdk/multisig');
const { fromBase64, fromHex, toBase58, toBase64 } = require('@iota/bcs');

const reference = (coin) => ({
    objectId: `0x${coin.object_id}`,
    version: coin.version,
    digest: toBase58(fromHex(coin.digest)),
});

const committee = (keys) =>
    MultiSigPublicKey.fromPublicKeys({
        threshold: 2,
        publicKeys: keys.map((key) => ({ publicKey: publicKeyFromIotaBytes(fromBase64(key)), weight: 1 })),
    });

const described = async (transaction) => ({
    transaction: toBase64(await transaction.build()),
    digest: await transaction.getDigest(),
});

const calls = {
    // a plan's transaction through the SDK's own builder
    async build({ plan }) {
        const transaction = new Transaction();
        transaction.setSender(plan.sender);
        transaction.setGasOwner(plan.gas_owner);
        transaction.setGasPayment(plan.gas_coins.map(reference));
        transaction.setGasPrice(plan.gas_price);
        transaction.setGasBudget(plan.gas_budget);
        transaction.setExpiration({ Epoch: plan.expiry_epoch });
        const coins = plan.coins.map((coin) => transaction.object(Inputs.ObjectRef(reference(coin))));
        const amount = transaction.pure.u64(plan.amount_nanos);
        const payee = transaction.pure.address(plan.payee);
        if (plan.anchor !== undefined) transaction.pure(fromHex(plan.anchor));
        if (coins.length > 1) transaction.mergeCoins(coins[0], coins.slice(1));
        const [payment] = transaction.splitCoins(coins[0] ?? transaction.gas, [amount]);
        transaction.transferObjects([payment], payee);
        return described(transaction);
    },
    // foreign bytes, parsed and serialised again
    rebuild: ({ transaction }) => described(Transaction.from(transaction)),
    async verify({ transaction, signature, address }) {
        await verifyTransactionSignature(fromBase64(transaction), signature, { address });
        return true;
    },
    async wallet({ secret, seed }) {
        const key = Ed25519Keypair.fromSecretKey(secret ?? fromHex(seed));
        return {
            secret: key.getSecretKey(),
            address: key.toIotaAddress(),
            public_key: key.getPublicKey().toIotaPublicKey(),
        };
    },
    async sign({ secret, transaction }) {
        const key = Ed25519Keypair.fromSecretKey(secret);
        return (await key.signTransaction(fromBase64(transaction))).signature;
    },
    escrow: async ({ keys }) => committee(keys).toIotaAddress(),
    combine: async ({ keys, signatures }) => committee(keys).combinePartialSignatures(signatures),
};

const answers = [];
for (const { call, ...rest } of JSON.parse(readFileSync(0, 'utf8'))) {
    try {
        answers.push({ result: await calls[call](rest) });
    } catch (error) {
        answers.push({ error: String(error.message) });
    }
}
process.stdout.write(JSON.stringify(answers));
