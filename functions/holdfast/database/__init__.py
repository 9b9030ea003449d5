"""The registry: engine, tables, migrations, leases. Knows no subject's rules, only where its rows are."""
