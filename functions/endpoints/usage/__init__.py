EXTRAS = ("sql",)
ROLE = "read"
