"""Networking: program types on packets and sockets, their contexts, helpers and kfuncs."""
