EXTRAS = ("sql", "s3")
