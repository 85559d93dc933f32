"""The tables of `ports.Transaction`, one file each, on one SQLAlchemy connection.

A statement that runs often is a constant of its module, so that SQLAlchemy finds
its compiled form without looking at it again.
"""
