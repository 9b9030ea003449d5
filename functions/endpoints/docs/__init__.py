EXTRAS = ("sql", "lifecycle")
ROLE = "read"
