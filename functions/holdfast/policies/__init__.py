"""AssetPolicies: what one says, which versions it is about, when they are due by it, and which are in force."""
