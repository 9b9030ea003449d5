EXTRAS = ("sql", "lakefs")
ROLE = "write"
