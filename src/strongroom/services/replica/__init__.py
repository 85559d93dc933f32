"""Replication: the change feed that a primary gives, and the replica that follows it.

`feed` is the primary's side. `following` keeps a replica level, `applying` says what a
page does to its tables, `use_cases` begins, tells about and ends it, and `read_only`
refuses every other change meanwhile.
"""

from strongroom.services.replica.feed import ChangeFeed
from strongroom.services.replica.following import Follower
from strongroom.services.replica.read_only import ReadOnlyReplica
from strongroom.services.replica.use_cases import Replica, Standing

__all__ = ["ChangeFeed", "Follower", "ReadOnlyReplica", "Replica", "Standing"]
