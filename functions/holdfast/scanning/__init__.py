"""Is there malware in it? A scanner is asked about bytes that are in the store, before anything comes of them."""
