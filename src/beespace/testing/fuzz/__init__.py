"""Differential fuzzing: the same generated program on two kernels.

``program`` builds a random program as a tree, ``emit`` turns it into instructions, ``judge`` loads and runs it on both
kernels, ``shrink`` makes a difference small.
"""
