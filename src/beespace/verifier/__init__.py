"""The verifier: proves that a program terminates and touches only what it may.

:see: kernel/bpf/verifier.c
"""

from beespace.verifier.env import VerifierOptions, VerifyEvent
from beespace.verifier.verify import verify

__all__ = ["VerifierOptions", "VerifyEvent", "verify"]
