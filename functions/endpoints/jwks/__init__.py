EXTRAS = ()
ROLE = "read"
