EXTRAS = ("sql", "s3", "lakefs")
ROLE = "write"
