"""Wallets, escrows and payment plans for the tests, from a seed."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from verifier.contract.settlement import SettlementTerms
from verifier.iota.escrow import Escrow
from verifier.iota.payment import CoinRef, PaymentPlan
from verifier.iota.wallet import Wallet

NETWORK = "6364aad5"
LARGEST = 2**64 - 1
LARGEST_EPOCH = 2**53 - 1  # beyond it the TypeScript SDK, which reads doubles, rounds


COIN = CoinRef(bytes([1]) * 32, 5, bytes([7]) * 32)
OTHER = CoinRef(bytes([2]) * 32, 6, bytes([8]) * 32)
SENDER, SPONSOR, PAYEE = (f"0x{digit * 64}" for digit in "abc")
PLAN = PaymentPlan(
    network="6364aad5", sender=SENDER, coins=(), gas_coins=(COIN,), gas_owner=SENDER,
    gas_price=1000, gas_budget=5_000_000, expiry_epoch=42, amount_nanos=123_456, payee=PAYEE,
    anchor=bytes(range(32)),
)  # fmt: skip
SPONSORED = replace(PLAN, coins=(COIN, OTHER), gas_coins=(replace(COIN, object_id=bytes(32)),),
                    gas_owner=SPONSOR)  # fmt: skip


def wallet(folder: Path, seed: int) -> Wallet:
    """The wallet of 32 bytes ``seed``, through a file."""
    path = folder / f"wallet-{seed}"
    path.write_text(bytes([seed] * 32).hex() + "\n", encoding="ascii")
    path.chmod(0o600)
    return Wallet.load(path)


class Group:
    """Operator, supplier, arbiter and a stranger, and what they agreed about settlement."""

    def __init__(self, folder: Path) -> None:
        self.operator, self.supplier, self.arbiter, self.stranger = (
            wallet(folder, seed) for seed in (1, 2, 3, 4)
        )
        self.terms = SettlementTerms(
            network=NETWORK,
            operator_key=self.operator.public_key,
            supplier_key=self.supplier.public_key,
            payee=self.supplier.address,
        )
        self.terms_of_three = replace(self.terms, arbiter_key=self.arbiter.public_key)
        self.escrow = Escrow(self.terms)
        self.escrow_of_three = Escrow(self.terms_of_three)

    def plan(self, seed: int, *, sponsor: str | None = None) -> PaymentPlan:
        """A random payment out of the escrow of two; with ``sponsor`` that address pays gas."""
        draw = random.Random(seed)
        coins = tuple(coin(draw) for _ in range(draw.randrange(2, 7)))
        split = draw.randrange(1, len(coins)) if sponsor else 0
        largest = draw.choice([1000, 10**9, LARGEST])
        return PaymentPlan(
            network=NETWORK,
            sender=self.escrow.address,
            coins=coins[:split],
            gas_coins=coins[split:],
            gas_owner=sponsor or self.escrow.address,
            gas_price=draw.randint(1, largest),
            gas_budget=draw.randint(1, largest),
            expiry_epoch=draw.randint(0, min(largest, LARGEST_EPOCH)),
            amount_nanos=draw.randint(1, largest),
            payee=self.supplier.address,
            anchor=draw.choice([None, draw.randbytes(32)]),
        )


def coin(draw: random.Random) -> CoinRef:
    """A random reference, now and then at the last version of all."""
    version = draw.choice([1, draw.randint(0, 2**40), draw.randint(0, LARGEST)])
    return CoinRef(draw.randbytes(32), version, draw.randbytes(32))
