"""The documents keep their word: what is generated is fresh, and every command in README.md and docs/guides runs."""
