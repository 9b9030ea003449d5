"""What every function's HTTP side is made of: app factory, problems, authentication, paging, metrics, health. Knows no subject."""
