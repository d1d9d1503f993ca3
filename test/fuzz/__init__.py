"""Fuzzing of everything that reads what others wrote: files, robot descriptions, requests.

From the folder ``test``: ``python -m fuzz urdf --runs 10000 --seed 1``, or ``python -m fuzz --list``.
"""
