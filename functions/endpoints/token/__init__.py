EXTRAS = ()
ROLE = "write"
