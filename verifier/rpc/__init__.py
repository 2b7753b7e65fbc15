"""The gRPC side of the verifier: a synchronous client; the service itself is ``verifier.service``.

``from verifier.rpc.client import VerifierClient`` is all that a supplier or operator needs.
"""
