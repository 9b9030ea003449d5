"""Who is asking, for which workspace, and what he may do there: users, workspaces, permissions, passwords, tokens."""
