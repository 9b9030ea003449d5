"""What Holdfast costs, as ratios to what does the least of the same work: ``python -m tests.bench``, or ``make bench``.

Each row runs both sides in turn, ours and the peer's, on the same servers and the same work, so that what else the machine is doing
falls on both. Figures of two machines cannot be compared; ratios can.
"""
