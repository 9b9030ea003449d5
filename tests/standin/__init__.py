"""Stand-ins for servers that a machine may not have, each held against the real one by a test."""
