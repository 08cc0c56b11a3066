"""The contest of benchmarks/candidates.py: the same rows for every entrant, the same unseen rows to judge them on."""
