"""Reasons over gRPC: a status code for the machinery, the stable reason in the status details.

The details hold one ``google.rpc.ErrorInfo``: its reason is the code, its domain says whether it is
a ``Rejected`` or a ``BadInput``, its metadata carries the rest.
"""

from __future__ import annotations

from typing import cast

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]
from grpc_status import rpc_status

from circuits.errors import BadInput, InputReason, Reason, Rejected

REJECTED_DOMAIN = "rejected.zkmeter"
INPUT_DOMAIN = "input.zkmeter"

_CODES: dict[Reason, grpc.StatusCode] = {
    Reason.CONTRACT_UNKNOWN: grpc.StatusCode.NOT_FOUND,
    Reason.CONTRACT_SIGNATURE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.OPERATOR_SIGNATURE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.VOUCHER_SIGNATURE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.DEVICE_UNKNOWN: grpc.StatusCode.PERMISSION_DENIED,
    Reason.DEVICE_REVOKED: grpc.StatusCode.PERMISSION_DENIED,
    Reason.DEVICE_FROZEN: grpc.StatusCode.PERMISSION_DENIED,
    Reason.CONTRACT_INACTIVE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CHECKPOINT_FUTURE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.DEVICE_FLAGS: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CLAIM_LATE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.HEAD_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EPOCH_LINK: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STATE_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CUMULATIVE_MISMATCH: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.ESCROW_SHORT: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.EQUIVOCATION: grpc.StatusCode.ALREADY_EXISTS,
}
# What went wrong at the server is its own affair: the client hears that, not where.
_SERVER_SIDE: dict[InputReason, grpc.StatusCode] = {
    InputReason.STORE_CORRUPT: grpc.StatusCode.DATA_LOSS,
    InputReason.STORE_MISSING: grpc.StatusCode.DATA_LOSS,
    InputReason.WRITE_FAILED: grpc.StatusCode.UNAVAILABLE,
    InputReason.RECEIPT: grpc.StatusCode.DATA_LOSS,
}


def code_of(error: Rejected | BadInput) -> grpc.StatusCode:
    """The gRPC code of a refusal; everything not listed is INVALID_ARGUMENT."""
    if isinstance(error, Rejected):
        return _CODES.get(error.reason, grpc.StatusCode.INVALID_ARGUMENT)
    return _SERVER_SIDE.get(error.reason, grpc.StatusCode.INVALID_ARGUMENT)


def status_of(error: Rejected | BadInput) -> grpc.Status:
    """The gRPC status, with the reason in its details, of a refusal."""
    if isinstance(error, Rejected):
        metadata = {"detail": error.detail}
        for name, value in (("expected", error.expected), ("got", error.got)):
            if value is not None:
                metadata[name] = str(value)
        info = error_details_pb2.ErrorInfo(
            reason=error.reason.value, domain=REJECTED_DOMAIN, metadata=metadata
        )
        message = str(error)
    else:
        hidden = error.reason in _SERVER_SIDE
        message = "the verifier's store failed" if hidden else error.message
        reason = InputReason.SERVER_ERROR if hidden else error.reason
        info = error_details_pb2.ErrorInfo(
            reason=reason.value, domain=INPUT_DOMAIN, metadata={"detail": message}
        )
    packed = any_pb2.Any()
    packed.Pack(info)
    number = code_of(error).value[0]
    return rpc_status.to_status(status_pb2.Status(code=number, message=message, details=[packed]))


def refusal_of(error: grpc.RpcError) -> Rejected | BadInput | None:
    """The refusal that a failed call carries in its details, if there is one."""
    try:
        status = rpc_status.from_call(cast(grpc.Call, error))
    except ValueError:
        return None
    for packed in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if packed.Is(info.DESCRIPTOR) and packed.Unpack(info):
            return _from_info(info)
    return None


def _from_info(info: error_details_pb2.ErrorInfo) -> Rejected | BadInput | None:
    detail = info.metadata.get("detail", "")
    if info.domain == REJECTED_DOMAIN and info.reason in list(Reason):
        return Rejected(
            Reason(info.reason),
            detail,
            expected=info.metadata.get("expected"),
            got=info.metadata.get("got"),
        )
    if info.domain == INPUT_DOMAIN and info.reason in list(InputReason):
        return BadInput(InputReason(info.reason), detail)
    return None
