"""Who did what, when, and what came of it. Rows are written in the transaction of the act that they describe."""
