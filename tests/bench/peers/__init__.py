"""What ours is compared with: the least that does the same work, run as well as its own documentation runs it."""
