EXTRAS = ("sql",)
