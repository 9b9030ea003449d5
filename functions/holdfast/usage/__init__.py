"""What workspaces hold, in bytes and versions, from counters."""
