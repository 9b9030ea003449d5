"""Resumable uploads: sessions that outlive requests, connections and processes, and become versions by the write path of assets."""
