"""What an operator wants to know of an installation: how much waits, for how long, and whether the stores answer."""
