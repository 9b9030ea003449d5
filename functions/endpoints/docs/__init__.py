EXTRAS = ("sql", "lifecycle")
