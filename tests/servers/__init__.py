"""Real servers for the tests: each starts on free loopback ports with a fresh data folder, and leaves nothing behind."""
