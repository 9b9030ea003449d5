EXTRAS = ()
