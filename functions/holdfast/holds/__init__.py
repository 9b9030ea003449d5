"""Legal holds: what is held is not deleted, by whatever path."""
