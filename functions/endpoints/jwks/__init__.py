EXTRAS = ()
ROLE = "none"
