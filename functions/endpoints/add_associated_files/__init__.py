EXTRAS = ("sql", "s3", "lakefs")
