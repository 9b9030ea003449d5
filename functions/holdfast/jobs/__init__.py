"""What happens after a request: one durable queue in SQL, and the worker that empties it."""
