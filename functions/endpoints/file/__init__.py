EXTRAS = ("sql", "s3")
ROLE = "write"
