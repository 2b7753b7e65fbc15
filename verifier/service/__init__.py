"""The verifier as a gRPC service."""
