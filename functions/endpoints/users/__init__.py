EXTRAS = ("sql", "lakefs")
