EXTRAS = ("sql", "s3")
ROLE = "read"
