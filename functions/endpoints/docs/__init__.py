EXTRAS = ("sql", "lifecycle")
ROLE = "none"
