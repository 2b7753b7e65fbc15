"""What a transaction costs on IOTA, in nanos, with the source of every figure.

Sources are files of the public repository `iotaledger/iota`:
  config   crates/iota-protocol-config/src/lib.rs, the first protocol version's table;
  model    crates/iota-types/src/gas_model/gas_v1.rs;
  sizes    crates/iota-types/src/object.rs and iota-sdk-types' `object_size_for_gas_metering`.
The sums agree with what was measured for zkmeter with the official SDK: a payment that creates
one coin costs 1,000,000 nanos of computation and a deposit of 980,400.
"""

from __future__ import annotations

from dataclasses import dataclass

REFERENCE_GAS_PRICE = 1_000  # nanos a unit: the network's base gas price
BASE_TRANSACTION_UNITS = 1_000  # config: base_tx_cost_fixed
ROUNDING_UNITS = 1_000  # config: gas_rounding_step
READ_COST_PER_BYTE = 15  # config: obj_access_cost_read_per_byte, in thousandths of a unit
INTERNAL_UNITS = 1_000  # thousandths in a unit: Move's Gas::UNIT_MULTIPLIER
STORAGE_UNITS_PER_BYTE = 100  # config: obj_data_cost_refundable
STORAGE_GAS_PRICE = 76  # config: storage_gas_price, nanos a storage unit
MAXIMUM_BUDGET = 50_000_000_000  # config: max_tx_gas
MAXIMUM_GAS_PRICE = 100_000  # config: max_gas_price
MAXIMUM_GAS_OBJECTS = 256  # config: max_gas_payment_objects
MAXIMUM_COMMANDS = 1_024  # config: max_programmable_tx_commands
MAXIMUM_PURE_BYTES = 16 * 1024  # config: max_pure_argument_size

# sizes: owner 40, transaction digest 32 and rebate 8 at the sizes of the Rust types; contents are
# an object id and a u64; the type is the one-byte tag of a gas coin; and a version.
COIN_BYTES = (40 + 32 + 8) + (32 + 8) + 1 + 8
COIN_DEPOSIT = COIN_BYTES * STORAGE_UNITS_PER_BYTE * STORAGE_GAS_PRICE  # 980,400 nanos


@dataclass(frozen=True, slots=True)
class GasUsed:
    """The charges of one transaction, in nanos; all of the computation is burned (model:
    `summary`), all of a deposit comes back (config: storage_rebate_rate is 10,000 of 10,000)."""

    computation: int
    storage_cost: int
    storage_rebate: int

    @property
    def net(self) -> int:
        """What leaves the gas coin; negative when more deposit comes back than is paid."""
        return self.computation + self.storage_cost - self.storage_rebate


def minimum_budget(gas_price: int) -> int:
    """The least budget that a transaction may state (model: `check_gas_balance`)."""
    return BASE_TRANSACTION_UNITS * gas_price


def computation_cost(coins_read: int, gas_price: int) -> int:
    """The computation charge for a transaction that loads `coins_read` coins.

    Native commands (split, merge, transfer) run no bytecode and meter nothing; loading the inputs
    does. The sum is rounded up to whole steps of 1,000 units (model: `bucketize_computation`).
    """
    units = coins_read * COIN_BYTES * READ_COST_PER_BYTE // INTERNAL_UNITS
    if units > 0 and units % ROUNDING_UNITS == 0:
        return units * gas_price
    return (units // ROUNDING_UNITS + 1) * ROUNDING_UNITS * gas_price
