"""Settlement on IOTA: one transaction per batch, from the contract's escrow to its payee."""

from verifier.settlement.iota.gateway import IotaGateway

__all__ = ["IotaGateway"]
