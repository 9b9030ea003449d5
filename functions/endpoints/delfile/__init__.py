EXTRAS = ("sql",)
ROLE = "write"
